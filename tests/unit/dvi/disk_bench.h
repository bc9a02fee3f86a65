/* What the tests of all disk mediators share: a policy, a fake cipher, and what a medium must hold because of them. */
#ifndef DISK_BENCH_H
#define DISK_BENCH_H

#include <dvi/disk.h>
#include <dvi/policy.h>
#include <stdbool.h>

/* Clear, encrypted by two keys, read-only and denied, in odd places. */
extern const struct dvi_policy bench_policy;

/* What the medium must hold for what the guest sees, and the other way round: n sectors from lba on; the buffers may be
 * the same. policy NULL: all is clear. */
void bench_encode(const struct dvi_policy *policy, uint64_t lba, const uint8_t *plain, uint8_t *out_raw, uint32_t n);
void bench_decode(const struct dvi_policy *policy, uint64_t lba, const uint8_t *raw, uint8_t *out_plain, uint32_t n);
/* May these sectors be read, or written? */
bool bench_allowed(const struct dvi_policy *policy, bool write, uint64_t lba, uint64_t n);

#define BENCH_READS 4u
/* If the disk can be read now, each sector must be what is on the medium, and there is none beyond its n. True if it
 * can. */
bool bench_check_reader(const struct dvi_disk_id *id, const uint8_t *raw, uint32_t n);

#endif
