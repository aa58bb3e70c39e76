/* Reads a meter with libmodbus and says what processor time that took:
 * `modbus_client PATH ADDRESS START COUNT INTERVAL_US WARM_UP READINGS`.
 * Prints nanoseconds of processor time and the failed readings. */

#define _GNU_SOURCE
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void sleep_until(long long at)
{
    struct timespec time = {.tv_sec = at / 1000000000LL, .tv_nsec = at % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int main(int count, char **arguments)
{
    if (count != 8)
        return 64;
    modbus_t *context = modbus_new_rtu(arguments[1], 115200, 'N', 8, 1);
    if (!context || modbus_set_slave(context, atoi(arguments[2])) || modbus_connect(context)) {
        perror(arguments[1]);
        return 1;
    }
    int start = atoi(arguments[3]), registers = atoi(arguments[4]);
    long long interval = atoll(arguments[5]) * 1000LL;
    int warm_up = atoi(arguments[6]), readings = atoi(arguments[7]);
    long long begun = 0, due = now(CLOCK_MONOTONIC);
    int failed = 0;
    /* Volatile, or nobody works the values out. */
    volatile double sum = 0;
    for (int i = 0; i < warm_up + readings; i++) {
        uint16_t words[MODBUS_MAX_READ_REGISTERS];
        if (i == warm_up)
            begun = now(CLOCK_PROCESS_CPUTIME_ID);
        if (modbus_read_input_registers(context, start, registers, words) == registers)
            for (int at = 0; at + 1 < registers; at += 2)
                sum += modbus_get_float_abcd(words + at);
        else if (i >= warm_up)
            failed++;
        sleep_until(due += interval);
    }
    printf("%lld %d\n", now(CLOCK_PROCESS_CPUTIME_ID) - begun, failed);
    return 0;
}
