/*
 * test/fuzz/fuzz_answer.c: any bytes from a server give an answer that keeps
 * its promises, the same one in whatever pieces they come.  The first byte
 * chooses API, content type and status, the second how the rest is parted.
 */
#include "core/json.h"
#include "llm/answer.h"

#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
require_text(const char *text, size_t len)
{
	json_t	   *string = json_stringn(text, len);

	require(string != NULL && strlen(text) == len);
	json_decref(string);
}

static void
require_line(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL);
	require_text(text, strlen(text));
	for (; *text != '\0'; text++)
		require((unsigned char) *text >= ' ' && *text != 0x7f);
}

static void
require_sound(const KamAnswer *a, bool wanted)
{
	require(a->complete != a->has_error);
	require(wanted || a->has_error);
	require_text(a->text, a->text_len);
	require(a->text_len <= LIMIT);
	require_line(a->stop_reason, sizeof(a->stop_reason));
	require_line(a->model, sizeof(a->model));
	require_line(a->id, sizeof(a->id));
	require_line(a->request_id, sizeof(a->request_id));
	require_line(a->error_type, sizeof(a->error_type));
	require_line(a->error_code, sizeof(a->error_code));
	require_line(a->error_message, sizeof(a->error_message));
	require(!a->has_error || (*a->error_type != '\0' && *a->error_message != '\0'));
	require(a->usage.input >= 0 && a->usage.output >= 0 && a->usage.cache_read >= 0 && a->usage.cache_write >= 0);
}

static KamReader *
read_all(uint8_t choice, size_t piece, const uint8_t *data, size_t size, bool *wanted)
{
	static const char *const types[] = {"text/event-stream", "application/json", "", "text/html"};
	static const int statuses[] = {200, 200, 429, 529, 404, 302, 0, 500};
	KamReader  *reader = kam_reader_new(choice & 1 ? KAM_API_OPENAI : KAM_API_ANTHROPIC, LIMIT);

	require(reader != NULL);
	kam_reader_begin(reader, statuses[(choice >> 3) & 7], types[(choice >> 1) & 3]);
	*wanted = true;
	while (size > 0)
	{
		size_t		n = piece < size ? piece : size;
		char	   *copy = malloc(n);

		memcpy(copy, data, n);
		*wanted = kam_reader_feed(reader, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
	return reader;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KamReader  *whole,
			   *parted;
	const KamAnswer *a,
			   *b;
	bool		a_wanted,
				b_wanted;

	if (size < 2)
		return 0;
	whole = read_all(data[0], size, data + 2, size - 2, &a_wanted);
	parted = read_all(data[0], 1 + data[1] % 64, data + 2, size - 2, &b_wanted);
	a = kam_reader_finish(whole);
	b = kam_reader_finish(parted);
	require_sound(a, a_wanted);
	require_sound(b, b_wanted);
	require(a_wanted == b_wanted && a->complete == b->complete && a->stop == b->stop);
	require(strcmp(a->error_type, b->error_type) == 0 && strcmp(a->error_message, b->error_message) == 0);
	/* What is too large is cut where it was noticed. */
	require(!a_wanted || (a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0));
	require(!a_wanted || memcmp(&a->usage, &b->usage, sizeof(KamUsage)) == 0);
	kam_reader_free(whole);
	kam_reader_free(parted);
	return 0;
}
