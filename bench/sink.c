/* A mail server for the races: it takes every message, and counts. In C, so that it is never what a race waits for.

   It listens on 127.0.0.1 and prints its port. On SIGTERM it prints how many messages it took for rN@..., for how many
   different ones of these, and for others, and ends. Any number of commands may come at once (RFC 2920). */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 256
#define ROOM 65536
#define PEOPLE 4000000

struct client {
    char in[ROOM];
    size_t used;
    int in_body;   /* between DATA and the lone dot */
    int matched;   /* how much of "\r\n.\r\n" the body ends with so far */
    long person;
    char out[ROOM];
    size_t to_say;
};

static struct pollfd polled[CLIENTS + 1];
static struct client *clients[CLIENTS + 1];
static int connected;
static long taken, people, others;
static unsigned char known[PEOPLE];
static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static void say(struct client *client, const char *words) {
    size_t length = strlen(words);
    if (client->to_say + length <= ROOM) {
        memcpy(client->out + client->to_say, words, length);
        client->to_say += length;
    }
}

static void take(struct client *client) {
    if (client->person < 0 || client->person >= PEOPLE) {
        others++;
    } else {
        taken++;
        people += !known[client->person];
        known[client->person] = 1;
    }
    say(client, "250 2.0.0 taken\r\n");
}

/* How many bytes of the body there are, up to and with the lone dot. */
static size_t body(struct client *client, const char *at, size_t left) {
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < left) {
        if (client->matched == 0) {
            const char *next = memchr(at + i, '\r', left - i);
            if (!next) return left;
            i = (size_t)(next - at);
        }
        if (at[i] == end[client->matched]) {
            client->matched++;
            i++;
        } else {
            client->matched = 0;
            if (at[i] != '\r') i++;
        }
        if (client->matched == 5) {
            client->in_body = 0;
            take(client);
            break;
        }
    }
    return i;
}

/* One command; 0 when the client is to be left. */
static int command(struct client *client, const char *line) {
    if (!strncasecmp(line, "EHLO", 4)) {
        say(client, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
    } else if (!strncasecmp(line, "RCPT", 4)) {
        const char *address = strchr(line, '<');
        client->person = address && address[1] == 'r' ? atol(address + 2) : -1;
        say(client, "250 2.1.5 ok\r\n");
    } else if (!strncasecmp(line, "DATA", 4)) {
        client->in_body = 1;
        client->matched = 2;   /* a message may consist of the lone dot */
        say(client, "354 go on\r\n");
    } else if (!strncasecmp(line, "QUIT", 4)) {
        say(client, "221 bye\r\n");
        return 0;
    } else {
        say(client, "250 2.1.0 ok\r\n");   /* MAIL, RSET, NOOP, HELO */
    }
    return 1;
}

/* Everything that has come in; 0 when the client is to be left. */
static int work(struct client *client) {
    size_t done = 0;
    int stays = 1;
    while (stays && done < client->used) {
        char *at = client->in + done;
        size_t left = client->used - done;
        if (client->in_body) {
            done += body(client, at, left);
            continue;
        }
        char *end = memchr(at, '\n', left);
        if (!end) break;
        *end = 0;
        stays = command(client, at);
        done += (size_t)(end - at) + 1;
    }
    if (done == 0 && client->used == ROOM) return 0;   /* a line without an end */
    memmove(client->in, client->in + done, client->used - done);
    client->used -= done;
    return stays;
}

static int tell(int socket, struct client *client) {
    size_t said = 0;
    while (said < client->to_say) {
        ssize_t n = send(socket, client->out + said, client->to_say - said, MSG_NOSIGNAL);
        if (n <= 0) return 0;
        said += (size_t)n;
    }
    client->to_say = 0;
    return 1;
}

static void welcome(int listener) {
    int one = 1, socket = accept(listener, NULL, NULL);
    if (socket < 0) return;
    struct client *client = connected < CLIENTS ? calloc(1, sizeof *client) : NULL;
    if (!client) {
        close(socket);
        return;
    }
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connected++;
    clients[connected] = client;
    polled[connected].fd = socket;
    polled[connected].events = POLLIN;
    polled[connected].revents = 0;
    client->person = -1;
    say(client, "220 sink ready\r\n");
    tell(socket, client);
}

static void leave(int i) {
    close(polled[i].fd);
    free(clients[i]);
    clients[i] = clients[connected];
    polled[i] = polled[connected];
    connected--;
}

static void serve(int listener) {
    polled[0].fd = listener;
    polled[0].events = POLLIN;
    while (!stopping) {
        if (poll(polled, (nfds_t)connected + 1, 1000) <= 0) continue;
        for (int i = connected; i > 0; i--) {
            if (!polled[i].revents) continue;
            struct client *client = clients[i];
            ssize_t n = recv(polled[i].fd, client->in + client->used, ROOM - client->used, 0);
            if (n <= 0) {
                leave(i);
                continue;
            }
            client->used += (size_t)n;
            int stays = work(client);
            if (!tell(polled[i].fd, client) || !stays) leave(i);
        }
        if (polled[0].revents) welcome(listener);
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 64)
        || getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("the sink cannot listen");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    serve(listener);
    printf("%ld %ld %ld\n", taken, people, others);
    return 0;
}
