#!/usr/bin/python3
"""A mail server that keeps what it is sent in a Maildir, and goes wrong on demand.

    mailserver.py serve DIR [--host ADDRESS] [--port N] [--tls starttls|implicit|none] [--cert FILE --key FILE] [--user NAME --password-file FILE]
                         [--control FILE] [--log FILE] [--with-parent]       prints its port
    mailserver.py list DIR     the messages, one line of JSON each, as Python's own parser reads them
    mailserver.py show DIR     the messages, for people: the headers that matter and the plain text

It listens on 127.0.0.1 unless told otherwise.  A fault is chosen by the first part of the recipient's address (FAULT.anything@...), or by a line
"FAULT PATTERN" of the control file, PATTERN being matched with the recipient as a shell does; the file is read anew each time.

    rcpt-NNN    answers RCPT with this status           greylist    answers RCPT with 451 the first time
    data-NNN    answers the message with this status    cut-rcpt    closes instead of answering RCPT
    keep-cut    keeps the message and closes without an answer
    drop-cut    reads the message, keeps nothing, closes without an answer
    gate-rcpt   does not answer RCPT while the control file says so
    gate-data   keeps the message, and does not answer while the control file says so

The log has a line per event: connect, tls, auth NAME yes|no, mail FROM, rcpt TO, data TO, each with the connection's number in front.
"""
import argparse
import asyncio
import email
import email.policy
import fnmatch
import json
import logging
import mailbox
import os
import ssl
import sys
import warnings

POLL_S = 0.02


def fault_of(control, recipient):
    """The fault for a recipient: the control file's, else its address's own."""
    try:
        with open(control, encoding="utf-8") as lines:
            for line in lines:
                fault, _, pattern = line.strip().partition(" ")
                if fault and fnmatch.fnmatch(recipient, pattern or "*"):
                    return fault
    except (OSError, TypeError):
        pass
    return recipient.split("@")[0].split(".")[0]


# ---- the server -------------------------------------------------------------------


def serve(options):
    # Only who serves needs the package.
    from aiosmtpd.smtp import SMTP, AuthResult

    box = mailbox.Maildir(options.dir, create=True)
    log = open(options.log or os.devnull, "a", buffering=1, encoding="utf-8")
    greylisted = set()
    password = None
    if options.password_file:
        with open(options.password_file, "rb") as file:
            password = file.read().strip()

    class Server(SMTP):
        """SMTP that logs who connects."""

        count = 0

        def connection_made(self, transport):
            if self.transport is None:
                Server.count += 1
                self.number = Server.count
                self.say("connect")
            super().connection_made(transport)

        def say(self, *words):
            print(self.number, *words, file=log)

    async def wait_while(fault, recipient):
        while fault_of(options.control, recipient) == fault:
            await asyncio.sleep(POLL_S)

    class Handler:
        def handle_STARTTLS(self, server, session, envelope):
            server.say("tls")
            return True

        async def handle_MAIL(self, server, session, envelope, address, mail_options):
            server.say("mail", address, *mail_options)
            envelope.mail_from = address
            envelope.mail_options.extend(mail_options)
            return "250 OK"

        async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
            server.say("rcpt", address)
            fault = fault_of(options.control, address)
            if fault == "gate-rcpt":
                await wait_while(fault, address)
                fault = fault_of(options.control, address)
            if fault.startswith("rcpt-"):
                return fault[5:8] + " no such mailbox here"
            if fault == "greylist" and address not in greylisted:
                greylisted.add(address)
                return "451 4.7.1 greylisted, try again later"
            if fault == "cut-rcpt":
                server.transport.abort()
                return "421 closed"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            recipient = envelope.rcpt_tos[0]
            fault = fault_of(options.control, recipient)
            if fault.startswith("data-"):
                server.say("data", recipient)
                return fault[5:8] + " not this message"
            if fault != "drop-cut":
                head = "".join("Delivered-To: %s\r\n" % to for to in envelope.rcpt_tos)
                box.add(("Return-Path: <%s>\r\n%s" % (envelope.mail_from, head)).encode() + envelope.original_content)
            server.say("data", recipient)
            if fault in ("keep-cut", "drop-cut"):
                server.transport.abort()
            elif fault == "gate-data":
                await wait_while(fault, recipient)
            return "250 kept"

    def authenticate(server, session, envelope, mechanism, data):
        login = data.login.decode(errors="replace")
        good = login == options.user and data.password == password
        server.say("auth", login, "yes" if good else "no")
        return AuthResult(success=good, handled=False)

    async def run():
        loop = asyncio.get_running_loop()
        # A peer that went away is not worth a traceback.
        loop.set_exception_handler(lambda *_: None)
        context = None
        if options.tls != "none":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(options.cert, options.key)
        settings = {"hostname": "mailbox.test", "enable_SMTPUTF8": True, "timeout": 600}
        if options.user:
            settings.update(authenticator=authenticate, auth_required=True, auth_require_tls=options.tls == "starttls")
        if options.tls == "starttls":
            settings.update(tls_context=context, require_starttls=True)
        server = await loop.create_server(lambda: Server(Handler(), **settings), options.host, options.port,
                                          ssl=context if options.tls == "implicit" else None)
        print(server.sockets[0].getsockname()[1], flush=True)
        parent = os.getppid()
        while not options.with_parent or os.getppid() == parent:
            await asyncio.sleep(0.5)

    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(run())


# ---- the mailbox --------------------------------------------------------------------


def messages(folder):
    """The mailbox's messages, oldest first."""
    paths = [os.path.join(folder, sub, name) for sub in ("new", "cur") for name in os.listdir(os.path.join(folder, sub))]
    for path in sorted(paths, key=lambda p: (os.stat(p).st_mtime_ns, p)):
        with open(path, "rb") as file:
            yield file.read()


def parse(raw):
    # Of SMTPUTF8, headers are UTF-8.
    return email.message_from_string(raw.decode("utf-8", "replace"), policy=email.policy.default)


def text_of(message, kind):
    part = message.get_body(preferencelist=(kind,))
    return part.get_content() if part is not None else None


def show_list(options):
    for raw in messages(options.dir):
        message = parse(raw)
        head = raw.replace(b"\r\n", b"\n").split(b"\n\n")[0]
        print(json.dumps({
            "headers": {name.lower(): message.get_all(name) and [str(v) for v in message.get_all(name)] for name in message.keys()},
            "from": [(a.display_name, a.addr_spec) for a in message["from"].addresses],
            "to": [(a.display_name, a.addr_spec) for a in message["to"].addresses],
            "date": message["date"].datetime.isoformat() if message["date"] is not None and message["date"].datetime else None,
            "type": message.get_content_type(),
            "parts": [p.get_content_type() for p in message.iter_parts()] if message.is_multipart() else [],
            "plain": text_of(message, "plain"),
            "html": text_of(message, "html"),
            "defects": [str(d) for p in message.walk() for d in p.defects] + [str(d) for v in message.values() for d in v.defects],
            "longest": max(len(line) for line in raw.replace(b"\r\n", b"\n").split(b"\n")),
            "ascii": raw.isascii(),
            "head": head.decode("utf-8", "replace"),
        }))


def show_people(options):
    for raw in messages(options.dir):
        message = parse(raw)
        for name in ("From", "To", "Reply-To", "Subject", "Message-ID", "In-Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type"):
            if message[name] is not None:
                print("%s: %s" % (name, message[name]))
        print()
        print(text_of(message, "plain").replace("\r\n", "\n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, does in (("serve", serve), ("list", show_list), ("show", show_people)):
        command = commands.add_parser(name)
        command.add_argument("dir")
        command.set_defaults(does=does)
        if does is serve:
            command.add_argument("--host", default="127.0.0.1")
            command.add_argument("--port", type=int, default=0)
            command.add_argument("--tls", choices=("starttls", "implicit", "none"), default="none")
            for option in ("--cert", "--key", "--user", "--password-file", "--control", "--log"):
                command.add_argument(option)
            command.add_argument("--with-parent", action="store_true")
    options = parser.parse_args()
    options.does(options)


if __name__ == "__main__":
    sys.exit(main())
