-- A worker may be waiting for the extension to appear.
SELECT _wake_worker();
