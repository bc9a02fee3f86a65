/* From the partitions that a person named in sekisho.conf to the sectors of one disk. Pure; any context; no allocation.
 * A section may take several disks, each with a table of its own: the result belongs to one of them. */
#ifndef BLOCK_RESOLVE_H
#define BLOCK_RESOLVE_H

#include <conf/conf.h>
#include <part/part.h>

/* Look up all partitions of a section.
 *   table   of the disk, as part_parse left it, whatever that returned; NULL if no range names a partition
 * 0: *out is the section with first_lba and end_lba of every range; no two overlap.
 * CONF_E_INVALID: *out_error says what is wrong first, and in which line; *out is all zero bytes. */
int resolve_disk(const struct conf_disk *disk, const struct part_table *table, struct conf_disk *out,
                 struct conf_error *out_error) __attribute__((warn_unused_result));

/* A line for the log: which partition a range is, and where it lies; printable ASCII, cut short if it does not fit.
 * MUST: range names a partition and comes from resolve_disk with this table, n_out >= 1. */
void resolve_describe(const struct conf_range *range, const struct part_table *table, char *out, size_t n_out);

#endif
