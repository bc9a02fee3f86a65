/* What LUKS headers look like on a disk. All numbers are big-endian. Private to libcrypt and its tests.
 *
 * Sources: LUKS On-Disk Format Specification 1.2.3, 3 "The partition header", 5 "Constants"; LUKS2 On-Disk Format
 * Specification 1.1.4, 2.1 "Binary Header". */
#ifndef CRYPT_LUKS_DISK_H
#define CRYPT_LUKS_DISK_H

#include <stddef.h>
#include <stdint.h>

#define LUKS_MAGIC           "LUKS\xba\xbe" /* of version 1, and of version 2's first copy */
#define LUKS_MAGIC_SECONDARY "SKUL\xba\xbe" /* of version 2's second copy */
#define LUKS_MAGIC_BYTES     6u

#define LUKS_VERSION_AT 6u

/* ---- version 1 ---- */

#define LUKS1_SLOTS         8u
#define LUKS1_SALT_BYTES    32u
#define LUKS1_DIGEST_BYTES  20u
#define LUKS1_SLOT_ENABLED  0x00AC71F3u
#define LUKS1_SLOT_DISABLED 0x0000DEADu

struct luks1_slot {
    uint8_t active[4];
    uint8_t iterations[4];
    uint8_t salt[LUKS1_SALT_BYTES];
    uint8_t area_sector[4]; /* key-material-offset */
    uint8_t n_stripes[4];
};
_Static_assert(sizeof(struct luks1_slot) == 48, "LUKS1, figure 2");

struct luks1_header {
    char magic[LUKS_MAGIC_BYTES];
    uint8_t version[2];
    char cipher_name[32];
    char cipher_mode[32];
    char hash_spec[32];
    uint8_t payload_sector[4];
    uint8_t key_bytes[4];
    uint8_t digest[LUKS1_DIGEST_BYTES];
    uint8_t digest_salt[LUKS1_SALT_BYTES];
    uint8_t digest_iterations[4];
    char uuid[40];
    struct luks1_slot slot[LUKS1_SLOTS];
};
_Static_assert(offsetof(struct luks1_header, payload_sector) == 104, "LUKS1, figure 1");
_Static_assert(offsetof(struct luks1_header, uuid) == 168, "LUKS1, figure 1");
_Static_assert(offsetof(struct luks1_header, slot) == 208, "LUKS1, figure 1");
_Static_assert(sizeof(struct luks1_header) == 592, "LUKS1, figure 1");

/* ---- version 2 ---- */

#define LUKS2_COPY_MIN       0x4000u   /* the second copy begins where the first ends: at one of the */
#define LUKS2_COPY_MAX       0x400000u /* powers of two between these */
#define LUKS2_CHECKSUM_BYTES 32u       /* of SHA-256, which is all there is; the rest of the field is zero */

struct luks2_header {
    char magic[LUKS_MAGIC_BYTES];
    uint8_t version[2];
    uint8_t copy_bytes[8]; /* hdr_size: this and the JSON area behind it */
    uint8_t sequence[8];   /* seqid */
    char label[48];
    char checksum_alg[32];
    uint8_t salt[64]; /* only there to make the copies differ */
    char uuid[40];
    char subsystem[48];
    uint8_t copy_offset[8]; /* hdr_offset: where this copy lies */
    uint8_t rsvd_0x108[184];
    uint8_t checksum[64]; /* of the whole copy, this field taken as zero */
    uint8_t rsvd_0x200[3584];
};
_Static_assert(offsetof(struct luks2_header, checksum_alg) == 0x48, "LUKS2, 2.1");
_Static_assert(offsetof(struct luks2_header, uuid) == 0xa8, "LUKS2, 2.1");
_Static_assert(offsetof(struct luks2_header, copy_offset) == 0x100, "LUKS2, 2.1");
_Static_assert(offsetof(struct luks2_header, checksum) == 0x1c0, "LUKS2, 2.1");
_Static_assert(sizeof(struct luks2_header) == 4096, "LUKS2, 2.1");

/* Any length of integer, from and to the disk. */
static inline uint64_t luks_get(const uint8_t *p, size_t n_bytes) {
    uint64_t v = 0;
    for (size_t i = 0; i < n_bytes; i++) v = v << 8 | p[i];
    return v;
}

static inline void luks_put(uint8_t *p, size_t n_bytes, uint64_t v) {
    for (size_t i = 0; i < n_bytes; i++) p[i] = (uint8_t)(v >> 8 * (n_bytes - 1 - i));
}

#define LUKS_GET(field)    luks_get(field, sizeof(field))
#define LUKS_PUT(field, v) luks_put(field, sizeof(field), v)

#endif
