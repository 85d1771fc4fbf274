/* The scripted upstream of the gateway benchmark: an OpenAI-compatible server that says numbered words.
 *
 *     upstream PORT      0 takes a free port; the first line on standard output is "port N"
 *
 * One thread, epoll, HTTP/1.1 with kept connections. POST /v1/chat/completions with max_tokens N answers
 * " w00000" … N words long: as a stream of chunks with "stream": true, else as one completion. A model
 * called scripted-R sends R chunks per second and stream, scripted-0 all at once. The first chunk leaves with
 * the head, so that what a client waits for it is what lies between. A reader that is slow gets, once it
 * reads again, everything that fell due meanwhile.
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
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 65536, MAX_IN = 1 << 20, OUT = 1 << 16, ROOM = 2048, SLOTS = 4096 };
enum { DEFAULT_TOKENS = 16, MAX_TOKENS = 100000, MAX_RATE = 1000 };

struct connection {
    int fd, writing, streaming, next, tokens, usage;
    unsigned long id;
    char model[64];
    long long due_ns, interval_ns;
    struct connection *later, **place; /* its slot of the wheel, while a timer runs */
    size_t in_len, out_off, out_len;
    char *in, out[OUT];
};

static struct connection *connections[MAX_FD];
static struct connection *wheel[SLOTS]; /* one slot per millisecond */
static int epoll_fd, timers;
static unsigned long answers;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void stop_timer(struct connection *c) {
    if (!c->place) return;
    *c->place = c->later;
    if (c->later) c->later->place = c->place;
    c->place = NULL;
    timers--;
}

static void start_timer(struct connection *c) {
    struct connection **slot = &wheel[(c->due_ns / 1000000 + 1) % SLOTS];
    c->later = *slot;
    if (c->later) c->later->place = &c->later;
    c->place = slot;
    *slot = c;
    timers++;
}

static void drop(struct connection *c) {
    stop_timer(c);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c);
}

static void watch(struct connection *c, int writing) {
    if (c->writing == writing) return;
    c->writing = writing;
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* Sends what waits; 0 when the connection is gone. */
static int flush(struct connection *c) {
    while (c->out_off < c->out_len) {
        ssize_t sent = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) return drop(c), 0;
            return watch(c, 1), 1;
        }
        c->out_off += (size_t)sent;
    }
    c->out_off = c->out_len = 0;
    watch(c, 0);
    return 1;
}

static void put(struct connection *c, const char *text, int length) {
    memcpy(c->out + c->out_len, text, (size_t)length);
    c->out_len += (size_t)length;
}

/* One event as one HTTP chunk. */
static void put_event(struct connection *c, const char *json) {
    char frame[ROOM / 2];
    int length = (int)strlen(json) + 8;
    put(c, frame, snprintf(frame, sizeof frame, "%x\r\ndata: %s\n\n\r\n", length, json));
}

static void put_chunk(struct connection *c, const char *choices, const char *usage) {
    char json[ROOM / 2 - 64];
    snprintf(json, sizeof json,
             "{\"id\":\"chatcmpl-%012lx\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,"
             "\"model\":\"%s\",\"choices\":[%s]%s}", c->id, c->model, choices, usage);
    put_event(c, json);
}

static void put_word(struct connection *c) {
    char choice[128];
    snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{\"content\":\" w%05d\"},\"logprobs\":null,"
             "\"finish_reason\":null}", c->next++);
    put_chunk(c, choice, "");
}

static void usage_of(const struct connection *c, char *text, size_t size) {
    snprintf(text, size,
             ",\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":%d,\"total_tokens\":%d}", c->tokens,
             c->tokens + 24);
}

static void put_end(struct connection *c) {
    char usage[128];
    put_chunk(c, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", "");
    usage_of(c, usage, sizeof usage);
    if (c->usage) put_chunk(c, "", usage);
    put_event(c, "[DONE]");
    put(c, "0\r\n\r\n", 5);
    c->streaming = 0;
}

static int next_request(struct connection *c);

/* Everything that is due by now, and a timer for what is not. */
static int advance(struct connection *c) {
    while (c->streaming && c->out_off == c->out_len) {
        long long now = now_ns();
        if (c->due_ns > now) return c->place ? 1 : (start_timer(c), 1);
        while (c->streaming && c->due_ns <= now && c->out_len + 3 * ROOM < OUT) {
            if (c->next < c->tokens) {
                put_word(c);
            } else {
                put_end(c);
            }
            c->due_ns += c->interval_ns;
        }
        if (!flush(c)) return 0;
    }
    return c->streaming || c->out_off < c->out_len ? 1 : next_request(c);
}

static int field(const char *body, const char *name, long fallback) {
    const char *found = strstr(body, name);
    if (!found) return (int)fallback;
    found += strlen(name);
    found += strspn(found, " \t\r\n:");
    if (!strncmp(found, "true", 4)) return 1;
    return *found >= '0' && *found <= '9' ? (int)strtol(found, NULL, 10) : (int)fallback;
}

static void read_model(struct connection *c, const char *body) {
    strcpy(c->model, "scripted-50");
    const char *found = strstr(body, "\"model\"");
    if (found) found = strchr(found + 7, ':');
    if (found) found = strchr(found, '"');
    if (!found) return;
    size_t length = strspn(++found, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (length == 0 || length >= sizeof c->model || found[length] != '"') return;
    memcpy(c->model, found, length);
    c->model[length] = 0;
}

static void put_whole(struct connection *c, const char *status, const char *body, int length) {
    char head[256];
    put(c, head, snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %d\r\n\r\n", status, length));
    put(c, body, length);
}

static void put_completion(struct connection *c) {
    static char body[OUT / 2];
    char usage[128];
    if (c->tokens > 2000) c->tokens = 2000; /* fits the buffer */
    int at = snprintf(body, sizeof body, "{\"id\":\"chatcmpl-%012lx\",\"object\":\"chat.completion\","
                      "\"created\":1764000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":"
                      "{\"role\":\"assistant\",\"content\":\"", c->id, c->model);
    for (int word = 0; word < c->tokens; word++) at += sprintf(body + at, " w%05d", word);
    usage_of(c, usage, sizeof usage);
    at += sprintf(body + at, "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}]%s}", usage);
    put_whole(c, "200 OK", body, at);
}

static void answer(struct connection *c, const char *head, const char *body) {
    static const char models[] = "{\"object\":\"list\",\"data\":["
        "{\"id\":\"scripted-0\",\"object\":\"model\",\"created\":1764000000,\"owned_by\":\"benchmark\"},"
        "{\"id\":\"scripted-20\",\"object\":\"model\",\"created\":1764000000,\"owned_by\":\"benchmark\"},"
        "{\"id\":\"scripted-50\",\"object\":\"model\",\"created\":1764000000,\"owned_by\":\"benchmark\"}]}";
    static const char missing[] = "{\"error\":{\"message\":\"no such path\",\"type\":\"invalid_request_error\"}}";
    if (!strncmp(head, "GET /v1/models ", 15)) {
        put_whole(c, "200 OK", models, sizeof models - 1);
    } else if (strncmp(head, "POST /v1/chat/completions ", 26)) {
        put_whole(c, "404 Not Found", missing, sizeof missing - 1);
    } else {
        int tokens = field(body, "\"max_tokens\"", field(body, "\"max_completion_tokens\"", DEFAULT_TOKENS));
        c->tokens = tokens < 1 ? 1 : tokens > MAX_TOKENS ? MAX_TOKENS : tokens;
        c->usage = field(body, "\"include_usage\"", 0);
        c->id = ++answers;
        read_model(c, body);
        if (!field(body, "\"stream\"", 0)) return put_completion(c);
        static const char started[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
        put(c, started, sizeof started - 1);
        put_chunk(c, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                  "\"logprobs\":null,\"finish_reason\":null}", "");
        c->next = 0;
        put_word(c);
        const char *dash = strrchr(c->model, '-');
        long rate = dash ? strtol(dash + 1, NULL, 10) : 50;
        if (rate > MAX_RATE) rate = MAX_RATE;
        c->interval_ns = rate > 0 ? 1000000000LL / rate : 0;
        c->due_ns = now_ns() + c->interval_ns;
        c->streaming = 1;
    }
}

/* Answers the next complete request that was read; 0 when the connection is gone. */
static int next_request(struct connection *c) {
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return c->in_len < MAX_IN ? 1 : (drop(c), 0);
    size_t head = (size_t)(end - c->in) + 4, length = 0;
    for (char *line = c->in; line && line < end; line = memmem(line, (size_t)(end - line), "\r\n", 2)) {
        if (*line == '\r') line += 2;
        if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
        else if (line == end) break;
    }
    if (head + length > MAX_IN) return drop(c), 0;
    if (c->in_len < head + length) return 1;
    char kept = c->in[head + length];
    c->in[head + length] = 0;
    answer(c, c->in, c->in + head);
    c->in[head + length] = kept;
    c->in_len -= head + length;
    memmove(c->in, c->in + head + length, c->in_len);
    return flush(c) ? advance(c) : 0;
}

static void readable(struct connection *c) {
    ssize_t got = recv(c->fd, c->in + c->in_len, MAX_IN - c->in_len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return drop(c);
    c->in_len += (size_t)got;
    if (!c->streaming && c->out_len == 0) next_request(c);
    else if (c->in_len == MAX_IN) drop(c);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct connection *c = fd < MAX_FD ? calloc(1, sizeof *c) : NULL;
        if (!c || !(c->in = malloc(MAX_IN + 1))) {
            free(c);
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->fd = fd;
        connections[fd] = c;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void turn_wheel(long long *turned_ms) {
    for (long long now = now_ns() / 1000000; *turned_ms < now; ++*turned_ms) {
        struct connection *c = wheel[(*turned_ms + 1) % SLOTS], *later;
        for (; c; c = later) {
            later = c->later;
            if (c->due_ns > now_ns()) continue; /* a full turn of the wheel away */
            stop_timer(c);
            advance(c);
        }
    }
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("upstream");
        return 1;
    }
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[512];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (long long turned_ms = now_ns() / 1000000;;) {
        int count = epoll_wait(epoll_fd, ready, 512, timers ? 1 : -1);
        for (int at = 0; at < count; at++) {
            if (ready[at].data.fd == listener) {
                accept_all(listener);
                continue;
            }
            struct connection *c = connections[ready[at].data.fd];
            if (c && ready[at].events & EPOLLOUT && (!flush(c) || !advance(c))) c = NULL;
            if (c && ready[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
        }
        turn_wheel(&turned_ms);
    }
}
