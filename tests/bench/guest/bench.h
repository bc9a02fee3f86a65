/* The first process of the benchmark guest (tests/bench/run), and all others: one static program.
 *
 * `job=` on the kernel command line names jobs, separated by commas; a job may have a number, as in depth:8. Each
 * measured piece of work is run once to warm up, then once between MARK_BEGIN and MARK_END, which plugin.c knows, and
 * leaves a line "BENCH <name>" on the console. At the end: RESULT OK or RESULT FAIL, and the machine powers itself off.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MARK_BEGIN() __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"Begn\"" ::: "memory")
#define MARK_END()   __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .ascii \"Done\"" ::: "memory")

_Noreturn void bench_die(const char *what); /* RESULT FAIL, power off */
/* name: becomes "<prefix><name>" on the console, prefix being the job's */
void bench_measure(const char *name, void (*fn)(void));

/* work.c */
void work_all(void);
void work_integer(void);

/* disk.c. The disks are /dev/sda and what follows; device: its path */
void disk_all(const char *device);
void disk_depth(const char *device, unsigned n_threads); /* n_threads reads of 4 KiB are always under way */
void disk_smp(const char *device, unsigned n_cpus);      /* on each processor an integer loop, then 4 KiB reads */
void disk_several(unsigned n_disks);                     /* the same reads from each, at the same time */

/* crypt.c: a dm-crypt volume (aes-xts-plain64) on a whole device; the new device's path */
const char *crypt_open(const char *device, unsigned key_bytes);
void crypt_close(void);

#endif
