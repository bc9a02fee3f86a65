/* The guest's helper program: one static binary, one file per command. Runs as root in an initramfs; prints what it
 * found and exits 0 only if everything was as it should be. */
#ifndef GT_H
#define GT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GT_SECTOR 512u

/* The words that must appear nowhere on an encrypted disk: every 512 bytes of every pattern start with them. */
#define GT_MARKER "SEKISHO-PLAINTEXT-MARKER"

/* Fill one sector with text that depends on its number and on a generation, and starts with GT_MARKER. */
void gt_sector_fill(uint8_t *sector, uint64_t number, uint32_t generation);
/* True if the sector is what gt_sector_fill makes of number and generation. */
bool gt_sector_ok(const uint8_t *sector, uint64_t number, uint32_t generation);
/* A page-aligned buffer; ends the program when there is no memory. */
void *gt_buffer(size_t n_bytes);
/* Print the reason with errno and end the program with 1. */
_Noreturn void gt_die(const char *what);
/* xorshift64*; *state must not be 0. */
uint64_t gt_random(uint64_t *state);

int gt_fill(int argc, char **argv);
int gt_raw_write(int argc, char **argv);
int gt_raw_check(int argc, char **argv);
int gt_stress(int argc, char **argv);
int gt_vecreg(int argc, char **argv);
int gt_mwrite(int argc, char **argv);
int gt_kexec_load(int argc, char **argv);
int gt_kexec_go(int argc, char **argv);
int gt_ticks(int argc, char **argv);
int gt_peek(int argc, char **argv);
int gt_user(int argc, char **argv);
int gt_rdmsr(int argc, char **argv);

#endif
