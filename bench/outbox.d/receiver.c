/*
 * bench/outbox.d/receiver.c: the receivers of bench/outbox: answers every
 * request with 200 at once, but those whose path begins with /hang never.
 * Prints its port; ends with its parent.  A thread per connection.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536

/* Reads one request; 1: answer it, 0: never, -1: the client has gone. */
static int
read_request(int fd, char *buffer, size_t *kept)
{
	size_t		len = *kept,
				need = 0;
	int			hang = 0;

	for (;;)
	{
		char	   *end;
		ssize_t		n;

		buffer[len] = '\0';
		end = strstr(buffer, "\r\n\r\n");
		if (end != NULL && need == 0)
		{
			const char *length = strcasestr(buffer, "content-length:");

			need = (size_t) (end + 4 - buffer) + (length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0);
			hang = strncmp(buffer, "POST /hang", 10) == 0;
		}
		if (need > 0 && len >= need)
			break;
		if (len == MOST)
			return -1;
		n = read(fd, buffer + len, MOST - len);
		if (n <= 0)
			return -1;
		len += (size_t) n;
	}
	*kept = len - need;
	memmove(buffer, buffer + need, *kept);
	return !hang;
}

static void *
converse(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
	int			fd = (int) (intptr_t) arg;
	char	   *buffer = malloc(MOST + 1);
	size_t		kept = 0;
	int			wanted;

	while (buffer != NULL && (wanted = read_request(fd, buffer, &kept)) >= 0)
	{
		if (wanted > 0 && write(fd, answer, sizeof(answer) - 1) < 0)
			break;
	}
	free(buffer);
	close(fd);
	return NULL;
}

int
main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	len = sizeof(address);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(listener, 1024) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) != 0)
	{
		perror("receiver");
		return 1;
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);
		pthread_t	thread;

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
		if (pthread_create(&thread, NULL, converse, (void *) (intptr_t) fd) == 0)
			pthread_detach(thread);
		else
			close(fd);
	}
}
