/* LUKS headers, versions 1 and 2, as bytes in memory: what they say, and the volume key out of a passphrase.
 *
 * Read here: headers of one aes-xts-plain64 volume with sectors of 512 bytes and a key of 256 or 512 bits, whose
 * passphrases went through PBKDF2 or, in version 2, Argon2i or Argon2id; SHA-1, SHA-256 and SHA-512. Anything else is
 * refused with one sentence for a person, in general a keyslot at a time: one that cannot be used here does not close
 * the others. Headers are written by crypt/luks_write.h.
 *
 * What it is not: it reads no disk, knows no clock, and asks nobody for passphrases. Tokens, labels and activation
 * flags of version 2 are passed over.
 *
 * The image is the header as it lies in its file or at the start of its device, whole sectors from the first to the end
 * of the keyslots; the volume itself is elsewhere (a detached header) or behind it (payload_offset says). An image is
 * hostile: every number in it is checked against the others and against its length before use.
 *
 * Threading: no state of its own; one processor at a time for one set of storage. Allocation: none. All but the
 * functions called pure clobber CRYPT_XMM, and the registers of the XTS kernel they are given. Stack: under 10 KiB.
 * Secrets: wiped from stack and workspace, whatever the outcome; what the caller gets is the caller's to wipe.
 *
 * Sources: LUKS On-Disk Format Specification, version 1.2.3 (2018); LUKS2 On-Disk Format Specification, version 1.1.4
 * (2025). */
#ifndef CRYPT_LUKS_H
#define CRYPT_LUKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <crypt/af.h>
#include <crypt/error.h>
#include <crypt/hash.h>
#include <crypt/kdf.h>
#include <crypt/xts.h>

#define CRYPT_LUKS_SLOTS_MAX    32u /* version 2; version 1 has 8 */
#define CRYPT_LUKS_KEY_MAX      CRYPT_XTS_KEY_256
#define CRYPT_LUKS_SALT_MAX     64u
#define CRYPT_LUKS_UUID_MAX     40u /* with its NUL */
#define CRYPT_LUKS_STRIPES      4000u
#define CRYPT_LUKS_WORK_MIN     (CRYPT_LUKS_KEY_MAX * CRYPT_LUKS_STRIPES)
#define CRYPT_LUKS_WORK_ALIGN   16u
#define CRYPT_LUKS_ANY_SLOT     (-1)
#define CRYPT_LUKS_SECTOR_BYTES CRYPT_XTS_UNIT_BYTES

enum crypt_luks_kdf_type { CRYPT_LUKS_PBKDF2, CRYPT_LUKS_ARGON2I, CRYPT_LUKS_ARGON2ID };

/* How a passphrase becomes a key, and what it costs. */
struct crypt_luks_kdf {
    enum crypt_luks_kdf_type type;
    enum crypt_hash hash; /* PBKDF2 */
    uint32_t iterations;  /* PBKDF2: iterations; Argon2: passes */
    uint32_t kib, lanes;  /* Argon2 */
};

enum crypt_luks_slot_state {
    CRYPT_LUKS_SLOT_FREE,
    CRYPT_LUKS_SLOT_USED,
    CRYPT_LUKS_SLOT_UNUSABLE, /* the header has it, but it cannot be opened here */
};

/* When a slot is tried; version 1 knows only NORMAL. */
enum crypt_luks_priority { CRYPT_LUKS_IGNORE, CRYPT_LUKS_NORMAL, CRYPT_LUKS_PREFER };

struct crypt_luks_slot {
    enum crypt_luks_slot_state state;
    const char *why; /* UNUSABLE: a sentence */
    enum crypt_luks_priority priority;
    struct crypt_luks_kdf kdf;
    uint32_t salt_bytes;
    uint8_t salt[CRYPT_LUKS_SALT_MAX];
    struct crypt_af af;
    uint32_t area_key_bytes;          /* of the key that encrypts the area */
    uint64_t area_offset, area_bytes; /* in the image; version 1: of free slots too, if their area can be used */
};

/* A header. All of it is fixed once parsed. */
struct crypt_luks {
    unsigned version; /* 1 or 2 */
    char uuid[CRYPT_LUKS_UUID_MAX];
    uint32_t key_bytes;      /* of the volume key: 32 or 64 */
    uint64_t payload_offset; /* bytes from the start of the data device; 0 is usual where the header is detached */
    uint64_t payload_bytes;  /* 0: up to the end of the device */
    bool copy_lost;   /* version 2: one of the two copies is damaged or out of date; crypt_luks_repair mends it */
    unsigned n_slots; /* that there can be: 8 or 32 */
    struct crypt_luks_slot slot[CRYPT_LUKS_SLOTS_MAX];

    /* How to know the volume key. */
    enum crypt_hash digest_hash;
    uint32_t digest_iterations, digest_salt_bytes, digest_bytes;
    uint8_t digest_salt[CRYPT_LUKS_SALT_MAX], digest[CRYPT_HASH_BYTES_MAX];

    /* For this library. Version 1: the hash of everything. Version 2: the copy in force, the length of each copy, the
     * number of its last change, and where the keyslots' areas end. */
    enum crypt_hash hash;
    uint64_t copy_offset, copy_bytes, sequence, areas_end;
};

/* Read a header.
 *   image  [n_bytes], borrowed; nothing of it is kept
 * 0 with *out; or, with *out_why a sentence and *out all zero bytes:
 *   CRYPT_E_LUKS_NONE     this is no LUKS header of version 1 or 2
 *   CRYPT_E_LUKS_DAMAGED  it is one, but not sound; of version 2, neither copy is
 *   CRYPT_E_LUKS_FOREIGN  it is sound, and asks for something that is not supported
 * Of two sound copies the one with the higher sequence number counts. Of unknown members of version 2, those that the
 * format calls mandatory requirements are refused, and others passed over. Slots that are UNUSABLE are no error.
 * Sources: LUKS1, 3 "The partition header"; LUKS2, 2 "LUKS2 On-Disk Format", 3 "LUKS2 JSON Metadata Format". */
CRYPT_MUST_CHECK int crypt_luks_parse(const void *image, size_t n_bytes, struct crypt_luks *out, const char **out_why);

/* How many slots are USED: passphrases that open here. Pure. */
unsigned crypt_luks_used(const struct crypt_luks *l);

/* How much workspace crypt_luks_open needs for this slot, or at most for those it tries by itself
 * (CRYPT_LUKS_ANY_SLOT): Argon2's memory, in the main. At least CRYPT_LUKS_WORK_MIN. MUST: slot < n_slots. Pure. */
size_t crypt_luks_work_bytes(const struct crypt_luks *l, int slot);

/* A passphrase, or the contents of a key file, to be tried. All borrowed. */
struct crypt_luks_try {
    const void *secret; /* [secret_bytes] */
    size_t secret_bytes;
    int slot;          /* this one, whatever its priority; or CRYPT_LUKS_ANY_SLOT */
    void *work;        /* [work_bytes], aligned to CRYPT_LUKS_WORK_ALIGN */
    size_t work_bytes; /* MUST: at least CRYPT_LUKS_WORK_MIN */
    const struct crypt_xts_kernel *kernel;
    crypt_kdf_step_fn *step; /* or NULL: runs once for each slot's KDF, and once more for its digest */
    void *step_ctx;
};

enum crypt_luks_outcome {
    CRYPT_LUKS_OPENED,
    CRYPT_LUKS_NO_SLOT,   /* there was nothing to try */
    CRYPT_LUKS_WRONG,     /* no slot that was tried takes this passphrase */
    CRYPT_LUKS_DAMAGED,   /* nor does slot, but its area is not what a header's writer leaves there */
    CRYPT_LUKS_NO_MEMORY, /* nor does any that was tried, but slot, which may, needs work_bytes */
    CRYPT_LUKS_CANCELLED, /* by step */
};

struct crypt_luks_opened {
    int slot;          /* OPENED, DAMAGED, NO_MEMORY */
    size_t work_bytes; /* NO_MEMORY: the least that any slot lacks */
    uint32_t key_bytes;
    uint8_t key[CRYPT_LUKS_KEY_MAX]; /* OPENED: the volume key, the XTS data key first. All zero otherwise */
};

/* Try. Slots are tried by priority, PREFER first, then by number; IGNORE is not tried unless it is asked for.
 *   image  MUST be what *l was parsed from, unchanged
 * The volume key was found right by the header's digest. One slot that opens ends the search, as does CANCELLED; of the
 * outcomes of several slots the later in the enum is reported.
 * Sources: LUKS1, 4.3 "Master key recovery"; LUKS2, 4 "LUKS2 Operations". */
enum crypt_luks_outcome crypt_luks_open(const struct crypt_luks *l, const void *image, const struct crypt_luks_try *t,
                                        struct crypt_luks_opened *out);

/* Is key [l->key_bytes] this header's volume key? 0; CRYPT_E_LUKS_KEY if not; CRYPT_E_CANCELLED. step may be NULL. */
CRYPT_MUST_CHECK int crypt_luks_verify(const struct crypt_luks *l, const void *key, crypt_kdf_step_fn *step,
                                       void *step_ctx);

#endif
