/* A disk in memory: its first and its last sectors; what lies between reads as zeros. */
#ifndef DISK_H
#define DISK_H

#include <part/part.h>
#include <stddef.h>

#define DISK_EDGE_SECTORS 1024u

extern struct part_disk disk;
extern struct part_table table;
extern uint64_t disk_bad_lba; /* cannot be read; 0: all can */
extern unsigned disk_n_read;  /* sectors since disk_clear */

void disk_clear(uint64_t n_sectors);
uint8_t *disk_sector(uint64_t lba);
void disk_put(uint64_t lba, unsigned at, unsigned n_bytes, uint64_t v);
void disk_record(uint64_t lba, unsigned i, unsigned type, uint32_t first, uint32_t n);
void disk_magic(uint64_t lba);
int disk_parse(void); /* into table */

#endif
