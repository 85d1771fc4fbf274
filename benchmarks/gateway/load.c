/* The load client of the gateway benchmark: asks for numbered words and sees which are missing.
 *
 *     load PORT KEY MODEL TOKENS CONNECTIONS REQUESTS RAMP_MS LIMIT_S stream|whole
 *
 * CONNECTIONS kept connections share REQUESTS questions, each asking the next once it has been answered; they
 * begin spread over RAMP_MS. What is unfinished after LIMIT_S seconds counts as broken. Prints one JSON
 * object: chunks (events with words), words, lost, reordered, duplicated, broken answers, first_ms (from the
 * request to the first word, or to the whole completion, for each answer), wall_s, and its own cpu_s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { READ = 1 << 16, LINE = 1 << 17, MAX_CONNECTIONS = 20000 };
enum state { IDLE, HEAD, SIZE, DATA, AFTER_DATA, TRAILER, LENGTH };

struct connection {
    int fd, status, closing, ended, finished, refused, connected;
    enum state state;
    long long asked_ns, start_ns;
    size_t left, line_len;
    int seen_count, highest;
    unsigned char *seen;
    char line[LINE];
};

static struct connection **connections;
static struct sockaddr_in address;
static const char *key, *model;
static int epoll_fd, tokens, streaming;
static long to_ask, asked, answered, chunks, words, lost, reordered, duplicated, broken, unreachable;
static double *first_ms;
static long firsts;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void reconnect(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->connected = c->closing = 0;
    c->state = IDLE;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) perror("load: socket"), exit(1);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        perror("load: connect"), exit(1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

/* Sends the next question, if one is left. */
static void ask(struct connection *c) {
    char body[1024], request[2048];
    c->state = IDLE;
    if (asked >= to_ask) return;
    int length = snprintf(body, sizeof body,
        "{\"model\":\"%s\",%s\"max_tokens\":%d,\"temperature\":0.7,\"messages\":[{\"role\":\"system\","
        "\"content\":\"You answer questions about the town.\"},{\"role\":\"user\",\"content\":"
        "\"%ld. How much is the annual dog tax for the first dog, and when is it due?\"}]}", model,
        streaming ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "", tokens, asked);
    int size = snprintf(request, sizeof request,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s", key, length, body);
    asked++;
    c->status = c->ended = c->finished = c->refused = c->seen_count = 0;
    c->highest = -1;
    c->line_len = 0;
    memset(c->seen, 0, (size_t)tokens);
    c->asked_ns = now_ns();
    c->state = HEAD;
    if (send(c->fd, request, (size_t)size, MSG_NOSIGNAL) != size) c->refused = 1; /* read ends it */
}

/* Whether "name" is followed by a value other than null, as a chunk's finish_reason is in the end. */
static int has_value(const char *line, const char *name) {
    const char *found = strstr(line, name);
    if (!found) return 0;
    found += strlen(name);
    found += strspn(found, " :");
    return strncmp(found, "null", 4) != 0;
}

static void count_word(struct connection *c, int word) {
    words++;
    if (word >= tokens || c->seen[word]) {
        duplicated++;
        return;
    }
    if (c->seen_count == 0) first_ms[firsts++] = (double)(now_ns() - c->asked_ns) / 1e6;
    if (word < c->highest) reordered++;
    else c->highest = word;
    c->seen[word] = 1;
    c->seen_count++;
}

static void read_line(struct connection *c) {
    c->line[c->line_len] = 0;
    c->line_len = 0;
    const char *line = c->line;
    if (streaming) {
        if (strncmp(line, "data:", 5)) return;
        line += 5;
        line += *line == ' ';
        if (!strncmp(line, "[DONE]", 6)) {
            c->ended = 1;
            return;
        }
    } else {
        c->ended = 1;
    }
    if (has_value(line, "\"finish_reason\"")) c->finished = 1;
    if (has_value(line, "\"error\"")) c->refused = 1;
    long before = words;
    for (const char *at = line; (at = strstr(at, " w")); at += 2) {
        int digits = (int)strspn(at + 2, "0123456789");
        if (digits == 5) count_word(c, atoi(at + 2));
    }
    if (words > before) chunks++;
}

/* An answer is over, whole or not; the connection is good for another one if `kept`. */
static void over(struct connection *c, int kept) {
    if (!streaming && kept && c->line_len) read_line(c);
    lost += tokens - c->seen_count;
    if (!(kept && c->status == 200 && c->ended && c->finished && !c->refused && c->seen_count == tokens))
        broken++;
    answered++;
    if (asked >= to_ask) {
        c->state = IDLE;
        close(c->fd);
        c->fd = -1;
    } else if (kept && !c->closing) {
        ask(c);
    } else {
        c->start_ns = now_ns();
        reconnect(c);
    }
}

static void read_head(struct connection *c) {
    c->line[c->line_len] = 0;
    c->line_len = 0;
    if (!strncmp(c->line, "HTTP/1.1 ", 9)) {
        c->status = atoi(c->line + 9);
        c->left = 0;
        c->state = HEAD;
    } else if (!strncasecmp(c->line, "content-length:", 15)) {
        c->left = strtoul(c->line + 15, NULL, 10);
    } else if (!strncasecmp(c->line, "transfer-encoding:", 18)) {
        c->left = (size_t)-1;
    } else if (!strncasecmp(c->line, "connection: close", 17)) {
        c->closing = 1;
    } else if (c->line[0] == '\r' || c->line[0] == 0) {
        c->state = c->left == (size_t)-1 ? SIZE : LENGTH;
    }
}

/* One piece of what arrived; 0 when the answer cannot be one. */
static int read_piece(struct connection *c, const char *bytes, size_t size) {
    for (size_t at = 0; at < size && c->fd >= 0;) {
        if (c->state == DATA || c->state == LENGTH) {
            size_t take = size - at < c->left ? size - at : c->left;
            const char *end = streaming ? memchr(bytes + at, '\n', take) : NULL;
            size_t line = end ? (size_t)(end - bytes) + 1 - at : take;
            if (c->line_len + line >= LINE) return 0;
            memcpy(c->line + c->line_len, bytes + at, line);
            c->line_len += line;
            c->left -= line;
            at += line;
            if (end) read_line(c);
            if (c->left == 0 && c->state == LENGTH) over(c, 1);
            else if (c->left == 0) c->state = AFTER_DATA;
            continue;
        }
        if (c->state == IDLE || c->line_len + 1 >= LINE) return 0;
        char byte = bytes[at++];
        if (c->state == SIZE || c->state == TRAILER || c->state == AFTER_DATA) {
            int digit = byte >= '0' && byte <= '9' ? byte - '0'
                      : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 'a' + 10 : -1;
            if (c->state == SIZE && digit >= 0) c->left = (c->left == (size_t)-1 ? 0 : c->left) * 16 + (size_t)digit;
            else if (byte == '\n' && c->state == AFTER_DATA) c->left = 0, c->state = SIZE;
            else if (byte == '\n' && c->state == SIZE) c->state = c->left ? DATA : TRAILER;
            else if (byte == '\n') over(c, 1); /* no server here sends trailers */
        } else if (byte == '\n') {
            read_head(c);
            if (c->state == LENGTH && c->left == 0) over(c, 1);
        } else {
            c->line[c->line_len++] = byte;
        }
    }
    return 1;
}

static void ready(struct connection *c, unsigned events) {
    static char bytes[READ];
    if (!c->connected && events & EPOLLOUT) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
        c->connected = 1;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0 && read_piece(c, bytes, (size_t)got)) return;
    if (c->state == IDLE) {
        if (got <= 0 && !c->connected && ++unreachable > 100) fputs("load: no connection\n", stderr), exit(1);
        reconnect(c); /* closed between two answers, as a server may */
    } else {
        over(c, 0);
    }
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc != 10) {
        fputs("usage: load PORT KEY MODEL TOKENS CONNECTIONS REQUESTS RAMP_MS LIMIT_S stream|whole\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((unsigned short)atoi(argv[1]))};
    key = argv[2], model = argv[3], tokens = atoi(argv[4]);
    int count = atoi(argv[5]);
    to_ask = atol(argv[6]);
    long long ramp_ns = atoll(argv[7]) * 1000000, limit_ns = atoll(argv[8]) * 1000000000;
    streaming = !strcmp(argv[9], "stream");
    if (tokens < 1 || tokens > 99999 || count < 1 || count > MAX_CONNECTIONS || to_ask < count) return 2;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc((size_t)count, sizeof *connections);
    first_ms = calloc((size_t)to_ask, sizeof *first_ms);
    long long began = now_ns();
    for (int at = 0; at < count; at++) {
        struct connection *c = connections[at] = calloc(1, sizeof *c);
        c->seen = calloc((size_t)tokens, 1);
        c->fd = -1;
        c->start_ns = began + ramp_ns * at / count;
        reconnect(c);
    }
    struct epoll_event events[512];
    while (answered < to_ask && now_ns() - began < limit_ns) {
        int got = epoll_wait(epoll_fd, events, 512, asked < to_ask ? 1 : 100);
        for (int at = 0; at < got; at++) {
            struct connection *c = events[at].data.ptr;
            if (c->fd >= 0) ready(c, events[at].events);
        }
        if (asked < to_ask)
            for (int at = 0; at < count; at++) {
                struct connection *c = connections[at];
                if (c->fd >= 0 && c->state == IDLE && c->connected && now_ns() >= c->start_ns) ask(c);
            }
    }
    for (int at = 0; at < count; at++) {
        struct connection *c = connections[at];
        if (c->fd >= 0 && c->state != IDLE) broken++, lost += tokens - c->seen_count;
    }
    double wall = (double)(now_ns() - began) / 1e9;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
               + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    broken += to_ask - asked;
    lost += (to_ask - asked) * tokens;
    qsort(first_ms, (size_t)firsts, sizeof *first_ms, compare);
    printf("{\"answers\":%ld,\"chunks\":%ld,\"words\":%ld,\"lost\":%ld,\"reordered\":%ld,\"duplicated\":%ld,"
           "\"broken\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.6f,\"first_ms\":[", answered, chunks, words, lost,
           reordered, duplicated, broken, wall, cpu);
    for (long at = 0; at < firsts; at++) printf("%s%.4f", at ? "," : "", first_ms[at]);
    puts("]}");
    return 0;
}
