/* A slave made of libmodbus: `slave rtu PATH BAUD PARITY STOPS ADDRESS`, `slave tcp PORT ADDRESS`,
 * or `slave pty ADDRESS`, which makes a pseudo-terminal, says its path and listens at the far end.
 * What it is told comes by stdin, one command a line; each is answered with `ok`.
 * pymodbus_slave.py knows the same commands. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { REGISTERS = 65536, LINE = 8192, CONNECTIONS = 8 };

static modbus_t *context;
static modbus_mapping_t *mapping;
static unsigned char present[2][REGISTERS]; /* holding, input */
static int exception, more_words, late_ms;
static int address, line = -1, inside = -1;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static int table_of(int function)
{
    return function == MODBUS_FC_READ_HOLDING_REGISTERS ? 0
         : function == MODBUS_FC_READ_INPUT_REGISTERS   ? 1
                                                        : -1;
}

static void set(char *arguments)
{
    char *rest = arguments;
    int table = table_of(strtol(rest, &rest, 10));
    long at = strtol(rest, &rest, 10);
    uint16_t *words = table == 0 ? mapping->tab_registers : mapping->tab_input_registers;
    for (;;) {
        char *end;
        long word = strtol(rest, &end, 10);
        if (end == rest || table < 0 || at < 0 || at >= REGISTERS)
            return;
        words[at] = (uint16_t) word;
        present[table][at++] = 1;
        rest = end;
    }
}

static void drop(char *arguments)
{
    int function, start, count;
    if (sscanf(arguments, "%d %d %d", &function, &start, &count) != 3 || table_of(function) < 0)
        return;
    for (int at = start; at < start + count && at < REGISTERS; at++)
        present[table_of(function)][at] = 0;
}

static void obey(char *line)
{
    int skipped = 0;
    char command[16];
    if (sscanf(line, "%15s %n", command, &skipped) != 1)
        return;
    char *arguments = line + skipped;
    if (strcmp(command, "set") == 0)
        set(arguments);
    else if (strcmp(command, "drop") == 0)
        drop(arguments);
    else if (strcmp(command, "exception") == 0)
        exception = atoi(arguments);
    else if (strcmp(command, "words") == 0)
        more_words = atoi(arguments);
    else if (strcmp(command, "late") == 0)
        late_ms = atoi(arguments);
    else {
        fprintf(stderr, "unknown command %s\n", command);
        exit(1);
    }
    puts("ok");
    fflush(stdout);
}

/* Everything that stdin has; the far end is gone when it has nothing. */
static void obey_all(void)
{
    static char held[LINE];
    static size_t count;
    ssize_t got = read(STDIN_FILENO, held + count, sizeof held - 1 - count);
    if (got <= 0)
        exit(0);
    count += (size_t) got;
    held[count] = 0;
    char *end;
    while ((end = strchr(held, '\n'))) {
        *end = 0;
        obey(held);
        count -= (size_t) (end + 1 - held);
        memmove(held, end + 1, count + 1);
    }
}

static int is_there(int table, int start, int count)
{
    for (int at = start; at < start + count; at++)
        if (table < 0 || at >= REGISTERS || !present[table][at])
            return 0;
    return 1;
}

static void answer(uint8_t *request, int length)
{
    uint8_t *pdu = request + modbus_get_header_length(context);
    int start = pdu[1] << 8 | pdu[2];
    int count = pdu[3] << 8 | pdu[4];
    if (late_ms)
        usleep((useconds_t) late_ms * 1000);
    if (exception)
        modbus_reply_exception(context, request, (unsigned) exception);
    else if (!is_there(table_of(pdu[0]), start, count))
        modbus_reply_exception(context, request, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
    else {
        count += more_words;
        pdu[3] = (uint8_t) (count >> 8);
        pdu[4] = (uint8_t) count;
        modbus_reply(context, request, length, mapping);
    }
}

/* On a line with others: what ends with silence is a frame, and libmodbus is given those for us.
 * By itself it does not mind silence, and takes what follows a frame for others for their answer. */
static void serve_line(void)
{
    enum { SILENCE_MS = 3 };
    uint8_t frame[256], request[MODBUS_RTU_MAX_ADU_LENGTH];
    struct pollfd polled = {.fd = line, .events = POLLIN};
    ssize_t count = 0, got;
    do {
        if (count == sizeof frame)
            count = 0;
        got = read(line, frame + count, sizeof frame - (size_t) count);
        if (got <= 0)
            die("the line");
        count += got;
    } while (poll(&polled, 1, SILENCE_MS) > 0);
    if (count != 8 || frame[0] != address || write(inside, frame, 8) != 8)
        return;
    int length = modbus_receive(context, request);
    if (length <= 0)
        return;
    answer(request, length);
    got = recv(inside, frame, sizeof frame, MSG_DONTWAIT);
    if (got > 0 && write(line, frame, (size_t) got) != got)
        die("the line");
}

/* 0 if the connection is gone. */
static int serve(int is_serial)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(context, request);
    if (length > 0)
        answer(request, length);
    else if (length < 0 && is_serial)
        modbus_flush(context);
    else if (length < 0)
        return 0;
    return 1;
}

static int serial(char **arguments)
{
    context = modbus_new_rtu(arguments[0], atoi(arguments[1]), arguments[2][0], 8,
                             atoi(arguments[3]));
    int pair[2];
    address = atoi(arguments[4]);
    if (!context || modbus_set_slave(context, address) || modbus_connect(context))
        die(arguments[0]);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        die("a pair of sockets");
    line = modbus_get_socket(context);
    inside = pair[1];
    modbus_set_socket(context, pair[0]);
    return line;
}

static int own_terminal(char **arguments)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios raw;
    if (master < 0 || grantpt(master) || unlockpt(master))
        die("a pseudo-terminal");
    /* Kept open, or the master is hung up between two clients. */
    int kept = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (kept < 0 || tcgetattr(kept, &raw))
        die(ptsname(master));
    cfmakeraw(&raw);
    tcsetattr(kept, TCSANOW, &raw);
    context = modbus_new_rtu(ptsname(master), 115200, 'N', 8, 1);
    if (!context || modbus_set_slave(context, atoi(arguments[0])))
        die("libmodbus");
    modbus_set_socket(context, master);
    puts(ptsname(master));
    return master;
}

static int tcp(char **arguments)
{
    context = modbus_new_tcp("127.0.0.1", atoi(arguments[0]));
    if (!context || modbus_set_slave(context, atoi(arguments[1])))
        die("libmodbus");
    int listener = modbus_tcp_listen(context, CONNECTIONS);
    if (listener < 0)
        die(arguments[0]);
    return listener;
}

static void run(int port, int is_serial)
{
    /* stdin, the port or the listener, connections. */
    struct pollfd polled[2 + CONNECTIONS] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                             {.fd = port, .events = POLLIN}};
    for (int i = 0; i < CONNECTIONS; i++)
        polled[2 + i] = (struct pollfd) {.fd = -1, .events = POLLIN};
    for (;;) {
        if (poll(polled, 2 + CONNECTIONS, -1) < 0)
            die("poll");
        if (polled[0].revents)
            obey_all();
        if (polled[1].revents & POLLIN && line >= 0)
            serve_line();
        else if (polled[1].revents & POLLIN && is_serial && !serve(1))
            return;
        if (polled[1].revents & (POLLHUP | POLLERR))
            exit(1);
        if (polled[1].revents && !is_serial) {
            int connection = port;
            modbus_tcp_accept(context, &connection);
            connection = modbus_get_socket(context);
            for (int i = 0; i < CONNECTIONS; i++)
                if (polled[2 + i].fd < 0) {
                    polled[2 + i].fd = connection;
                    break;
                }
        }
        for (int i = 2; i < 2 + CONNECTIONS; i++) {
            if (polled[i].fd < 0 || !polled[i].revents)
                continue;
            modbus_set_socket(context, polled[i].fd);
            if (!serve(0)) {
                close(polled[i].fd);
                polled[i].fd = -1;
            }
        }
    }
}

int main(int count, char **arguments)
{
    mapping = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    if (!mapping)
        die("memory");
    int is_serial = 1, port;
    if (count == 7 && strcmp(arguments[1], "rtu") == 0)
        port = serial(arguments + 2);
    else if (count == 3 && strcmp(arguments[1], "pty") == 0)
        port = own_terminal(arguments + 2);
    else if (count == 4 && strcmp(arguments[1], "tcp") == 0) {
        port = tcp(arguments + 2);
        is_serial = 0;
    } else {
        fprintf(stderr, "usage: see the source\n");
        return 64;
    }
    puts("ready");
    fflush(stdout);
    run(port, is_serial);
}
