/*
 * llm/transfer_end.c: what is made of a transfer's end: which trouble it was,
 * the result with the key struck out of it, the wiping.
 *
 * Runs outside libcurl's callbacks, on exhausted memory too: nothing raises.
 */
#include "llm/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/secret.h"

/* What codes of libcurl mean once and before there is a connection; all others are KAM_TROUBLE_INTERNAL. */
static const struct
{
	CURLcode	code;
	KamTrouble	before,
				after;
}			meaning[] = {
	{CURLE_OK, KAM_TROUBLE_NONE, KAM_TROUBLE_NONE},
	{CURLE_UNSUPPORTED_PROTOCOL, KAM_TROUBLE_ADDRESS, KAM_TROUBLE_CUT},	/* after: this is no HTTP */
	{CURLE_URL_MALFORMAT, KAM_TROUBLE_ADDRESS, KAM_TROUBLE_ADDRESS},
	{CURLE_LOGIN_DENIED, KAM_TROUBLE_ADDRESS, KAM_TROUBLE_ADDRESS},	/* a user in the URL */
	{CURLE_COULDNT_RESOLVE_PROXY, KAM_TROUBLE_PROXY, KAM_TROUBLE_PROXY},
	{CURLE_PROXY, KAM_TROUBLE_PROXY, KAM_TROUBLE_PROXY},
	{CURLE_COULDNT_RESOLVE_HOST, KAM_TROUBLE_RESOLVE, KAM_TROUBLE_RESOLVE},
	{CURLE_COULDNT_CONNECT, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CONNECT},
	{CURLE_OPERATION_TIMEDOUT, KAM_TROUBLE_CONNECT, KAM_TROUBLE_TIMEOUT},
	{CURLE_SSL_CONNECT_ERROR, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SSL_CERTPROBLEM, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SSL_CIPHER, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SSL_CACERT_BADFILE, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SSL_ISSUER_ERROR, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, KAM_TROUBLE_TLS, KAM_TROUBLE_TLS},
	{CURLE_SEND_ERROR, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CUT},
	{CURLE_RECV_ERROR, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CUT},
	{CURLE_GOT_NOTHING, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CUT},
	{CURLE_PARTIAL_FILE, KAM_TROUBLE_CUT, KAM_TROUBLE_CUT},
	{CURLE_WEIRD_SERVER_REPLY, KAM_TROUBLE_CUT, KAM_TROUBLE_CUT},
	{CURLE_BAD_CONTENT_ENCODING, KAM_TROUBLE_CUT, KAM_TROUBLE_CUT},
	{CURLE_HTTP2, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CUT},
	{CURLE_HTTP2_STREAM, KAM_TROUBLE_CONNECT, KAM_TROUBLE_CUT},
	{CURLE_SEND_FAIL_REWIND, KAM_TROUBLE_CUT, KAM_TROUBLE_CUT},
	{CURLE_FILESIZE_EXCEEDED, KAM_TROUBLE_TOO_LARGE, KAM_TROUBLE_TOO_LARGE},
};

KamTrouble
kam_transfer_trouble(const KamTransfer *transfer, CURLcode code)
{
	long		connect_status = 0;

	if (code != CURLE_OK && transfer->refused != KAM_TROUBLE_NONE)
		return transfer->refused;
	if (code != CURLE_OK && !transfer->connected)
	{
		if (transfer->socket_errno != 0)
			return KAM_TROUBLE_INTERNAL;
		curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
		if (connect_status >= 300)
			return KAM_TROUBLE_PROXY;
		if (code == CURLE_OPERATION_TIMEDOUT && kam_monotonic_us() - transfer->begun_at >= transfer->timeout_us)
			return KAM_TROUBLE_TIMEOUT;
	}
	for (size_t i = 0; i < KAM_LENGTHOF(meaning); i++)
	{
		if (meaning[i].code == code)
			return transfer->connected ? meaning[i].after : meaning[i].before;
	}
	return KAM_TROUBLE_INTERNAL;
}

static char *
find_secret(const KamTransfer *transfer, const char *text, size_t len)
{
	const char *end = text + len;

	while ((size_t) (end - text) >= transfer->secret_len && (text = memchr(text, *transfer->secret, (size_t) (end - text) - transfer->secret_len + 1)) != NULL)
	{
		if (memcmp(text, transfer->secret, transfer->secret_len) == 0)
			return (char *) text;
		text++;
	}
	return NULL;
}

/* Puts asterisks where the key stands. */
static void
strike_out(const KamTransfer *transfer, char *text, size_t len)
{
	char	   *hit;

	if (transfer->secret == NULL)
		return;
	while ((hit = find_secret(transfer, text, len)) != NULL)
	{
		memset(hit, '*', transfer->secret_len);
		len -= (size_t) (hit - text) + transfer->secret_len;
		text = hit + transfer->secret_len;
	}
}

/* Servers repeat what they were sent: the key is taken out of all that came. */
static void
strike_out_everywhere(KamTransfer *transfer)
{
	KamAnswer  *answer = &transfer->answer;
	struct
	{
		char	   *text;
		size_t		size;
	}			field[] = {
		{answer->stop_reason, sizeof(answer->stop_reason)},
		{answer->model, sizeof(answer->model)},
		{answer->id, sizeof(answer->id)},
		{answer->request_id, sizeof(answer->request_id)},
		{answer->error_type, sizeof(answer->error_type)},
		{answer->error_code, sizeof(answer->error_code)},
		{answer->error_message, sizeof(answer->error_message)},
		{transfer->result.trouble_text, sizeof(transfer->result.trouble_text)},
	};

	if (transfer->secret == NULL)
		return;
	for (size_t i = 0; i < KAM_LENGTHOF(field); i++)
		strike_out(transfer, field[i].text, strnlen(field[i].text, field[i].size));
	for (int i = 0; i < transfer->nheaders; i++)
		strike_out(transfer, transfer->header[i].value, strlen(transfer->header[i].value));
	if (answer->text_len == 0 || find_secret(transfer, answer->text, answer->text_len) == NULL)
		return;
	transfer->clean_text = malloc(answer->text_len + 1);
	if (transfer->clean_text != NULL)
	{
		memcpy(transfer->clean_text, answer->text, answer->text_len + 1);
		strike_out(transfer, transfer->clean_text, answer->text_len);
	}
	answer->text = transfer->clean_text ? transfer->clean_text : "";
	answer->text_len = transfer->clean_text ? answer->text_len : 0;
}

static void
tell(KamTransfer *transfer, CURLcode code, const char *words)
{
	char	   *out = transfer->result.trouble_text;
	const char *text = words;
	size_t		len;

	if (transfer->socket_errno != 0 && !transfer->connected)
	{
		snprintf(out, sizeof(transfer->result.trouble_text), "no socket could be made: %s", strerror(transfer->socket_errno));
		return;
	}
	if (text == NULL)
		text = transfer->refused_text;
	if (text == NULL)
		text = *transfer->error ? transfer->error : curl_easy_strerror(code);
	len = strlen(text);
	if (len >= sizeof(transfer->result.trouble_text))
		len = sizeof(transfer->result.trouble_text) - 1;
	kam_copy_plain(out, text, len);
}

void
kam_transfer_conclude(KamTransfer *transfer, KamTrouble trouble, CURLcode code, const char *words)
{
	KamResult  *result = &transfer->result;
	KamAnswer  *answer = &transfer->answer;
	const char *id;
	long		status = 0;

	/* A status of a proxy, or of an interim answer, is none of the server's. */
	if (trouble != KAM_TROUBLE_PROXY)
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		status = 0;
	kam_transfer_begin(transfer, status);
	*answer = *kam_reader_finish(transfer->reader);

	if (transfer->refused == trouble && strcmp(answer->error_type, "out_of_memory") == 0)
		trouble = KAM_TROUBLE_INTERNAL;
	/* The protocol's end was there before the connection's: an answer all the same. */
	if (answer->complete && !answer->has_error && status >= 200 && status < 300)
		trouble = KAM_TROUBLE_NONE;
	if (trouble != KAM_TROUBLE_NONE)
		tell(transfer, code, words);

	result->trouble = trouble;
	result->sent = result->sent || status > 0;
	result->http_status = (int) status;
	strike_out_everywhere(transfer);
	result->header = transfer->header;
	result->nheaders = transfer->nheaders;
	result->answer = answer;
	id = kam_transfer_header(transfer, "request-id");
	if (id == NULL)
		id = kam_transfer_header(transfer, "x-request-id");
	if (id == NULL)
		id = kam_transfer_header(transfer, "apim-request-id");
	result->request_id = id ? id : "";
	result->finished_us = kam_wall_clock_us();
	if (result->finished_us < result->started_us)
		result->finished_us = result->started_us;
	kam_transfer_wipe(transfer);
}

void
kam_transfer_wipe(KamTransfer *transfer)
{
	for (struct curl_slist *line = transfer->headers; line; line = line->next)
		kam_secret_wipe(line->data, strlen(line->data));
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	if (transfer->secret != NULL)
		kam_secret_wipe(transfer->secret, transfer->secret_len);
	free(transfer->secret);
	transfer->secret = NULL;
}

void
kam_transfer_destroy(KamTransfer *transfer)
{
	kam_transfer_wipe(transfer);
	kam_transfer_drop_headers(transfer);
	free(transfer->clean_text);
	if (transfer->reader != NULL)
		kam_reader_free(transfer->reader);
	free(transfer);
}
