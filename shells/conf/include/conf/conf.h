/* sekisho.conf: what to start, how to talk to the person, and what may happen to which part of which disk.
 *
 * The parser is strict, pure and total: every text either gives a complete struct conf or one error that names the
 * line, the offending token and what was expected. docs/sekisho.conf.md describes the language for its users.
 *
 * What it is not: it opens no file, follows no include, and knows neither disks nor ciphers.
 *
 * Threading: no state of its own; any context. Allocation: none, all storage is the caller's. Stack: under 2 KiB.
 * Secrets: struct conf holds key bytes in clear; conf_wipe it. The text holds them too, and is the caller's to wipe.
 * Messages never quote what a [key] section holds. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_LINE_MAX     1024u /* bytes in a line, without its end */
#define CONF_NAME_MAX     32u   /* characters in the name of a disk or a key */
#define CONF_DISKS_MAX    8u
#define CONF_RANGES_MAX   16u /* per disk */
#define CONF_KEYS_MAX     8u
#define CONF_PART_MAX     256u /* numbers of partitions */
#define CONF_PARTUUID_MAX 36u  /* characters: a GUID */
#define CONF_PATH_MAX     255u /* bytes in the path of the next loader */
#define CONF_SERIAL_MAX   20u  /* ATA and NVMe alike */
#define CONF_MODEL_MAX    40u
#define CONF_PORT_MAX     31u                /* an AHCI controller has at most 32 ports */
#define CONF_LBA_MAX      ((1ull << 55) - 1) /* last sector whose byte address fits 64 bits */
#define CONF_KEY_MAX      64u                /* bytes: AES-256-XTS has two keys of 32 */
#define CONF_FILE_MAX     64u                /* characters in the name of a key file */
#define CONF_UNLOCKS_MAX  4u                 /* ways to unlock a key */
#define CONF_DRIVE_HD     0x80u              /* the BIOS's number of its first disk, */
#define CONF_DRIVE_CD     0xe0u              /* and of its first CD */
#define CONF_MESSAGE_MAX  256u               /* bytes of a message and its NUL */
#define CONF_SHA256_BYTES 32u

enum { CONF_E_INVALID = -1 };

enum conf_on_error { CONF_STOP, CONF_BOOT_UNPROTECTED };

/* Bits of conf.console. */
#define CONF_CONSOLE_SERIAL 0x1u
#define CONF_CONSOLE_SCREEN 0x2u

enum conf_match { CONF_MATCH_ANY, CONF_MATCH_SERIAL, CONF_MATCH_MODEL, CONF_MATCH_PCI, CONF_MATCH_PORT };

enum conf_action { CONF_CLEAR, CONF_ENCRYPT, CONF_READ_ONLY, CONF_DENY };

struct conf_range {
    uint64_t first_lba, end_lba; /* half-open, 512-byte units; end_lba UINT64_MAX: to the end of the disk; both 0 where
                                  * a partition was named, until its table tells where it lies */
    uint32_t partition;          /* by number, 1 to CONF_PART_MAX, as Linux counts; 0: not so */
    char partuuid[CONF_PARTUUID_MAX + 1]; /* by GUID, or by disk signature and number; in lower case; "": not so */
    enum conf_action action;
    uint8_t key;   /* CONF_ENCRYPT only: index into conf.key */
    unsigned line; /* where it was written */
};

static inline bool conf_range_names_partition(const struct conf_range *range) {
    return range->partition || range->partuuid[0];
}

struct conf_disk {
    char name[CONF_NAME_MAX + 1];
    enum conf_match match;
    char text[CONF_MODEL_MAX + 1]; /* CONF_MATCH_SERIAL, CONF_MATCH_MODEL: without padding */
    uint8_t bus, dev, fn;          /* CONF_MATCH_PCI: of the controller, on segment 0 */
    uint8_t port;                  /* CONF_MATCH_PORT */
    uint8_t n_ranges;
    unsigned line;
    struct conf_range range[CONF_RANGES_MAX]; /* in the order of the file; no two overlap, as far as that is known */
};

/* CONF_KEY_HEX: its bytes stood in the text. CONF_KEY_FILE: they are the contents of a file. CONF_KEY_LUKS: it is the
 * volume key that a detached LUKS header keeps, for who can unlock it. */
enum conf_key_kind { CONF_KEY_HEX, CONF_KEY_FILE, CONF_KEY_LUKS };

enum conf_unlock_kind { CONF_UNLOCK_PASSPHRASE, CONF_UNLOCK_KEYFILE };

struct conf_unlock {
    enum conf_unlock_kind kind;
    char file[CONF_FILE_MAX + 1]; /* CONF_UNLOCK_KEYFILE: whose contents is the passphrase */
};

/* Keys stand in the order in which the file first mentions them. */
struct conf_key {
    char name[CONF_NAME_MAX + 1];
    enum conf_key_kind kind;
    char file[CONF_FILE_MAX + 1]; /* CONF_KEY_FILE: the key; CONF_KEY_LUKS: the header */
    uint8_t n_bytes;              /* 32: AES-128-XTS, 64: AES-256-XTS; 0: conf_key_set() is still to come */
    uint8_t bytes[CONF_KEY_MAX];
    uint8_t n_unlocks;                           /* CONF_KEY_LUKS: at least 1 */
    struct conf_unlock unlock[CONF_UNLOCKS_MAX]; /* in the order in which to try; no two are the same */
    unsigned line;
};

struct conf {
    char next[CONF_PATH_MAX + 1];         /* UTF-8; "" if absent: return to whoever started us */
    char next_options[CONF_LINE_MAX + 1]; /* UTF-8, load options of the next loader; "" if absent */
    uint8_t drive;                        /* what a BIOS starts next: CONF_DRIVE_HD or _CD, plus 0 to 9 */
    unsigned console;                     /* CONF_CONSOLE_*; both if absent */
    enum conf_on_error on_error;          /* CONF_STOP if absent */
    uint8_t n_disks, n_keys;
    struct conf_disk disk[CONF_DISKS_MAX];
    struct conf_key key[CONF_KEYS_MAX];
};

struct conf_error {
    unsigned line; /* from 1 */
    char message[CONF_MESSAGE_MAX];
};

/* Parse a whole file.
 *   text   [n_bytes], UTF-8, not NUL-terminated; may be empty: no disk, so nothing is intercepted
 * 0: *out is complete, and every rule of docs/sekisho.conf.md holds; *out_error is untouched.
 * CONF_E_INVALID: *out_error says what is wrong first; *out is all zero bytes.
 * Borrows text; keeps nothing. */
int conf_parse(const char *text, size_t n_bytes, struct conf *out, struct conf_error *out_error)
    __attribute__((warn_unused_result));

/* What the person wants to happen when conf_parse has failed: CONF_BOOT_UNPROTECTED only if the text, however wrong
 * elsewhere, sets on-error in a [boot] section, and sets it to boot-unprotected wherever it sets it. Where conf_parse
 * succeeds, both agree. Any text is allowed. */
enum conf_on_error conf_on_error(const char *text, size_t n_bytes);

/* And what is to be started then: the last usable next, next-options and drive of a [boot] section, "" and the first
 * disk if there is none, into out->next, out->next_options and out->drive. Touches nothing else. Any text is allowed.
 */
void conf_rescue_next(const char *text, size_t n_bytes, struct conf *out);

/* Take the contents of key->file as the key: 32 or 64 bytes as they are, which cryptsetup's --key-file takes too. Of a
 * CONF_KEY_LUKS, data is the volume key that was unlocked. 0, or CONF_E_INVALID with *out_why the rest of a sentence
 * about the file. Borrows data, which is the caller's to wipe. */
int conf_key_set(struct conf_key *key, const void *data, size_t n_bytes, const char **out_why)
    __attribute__((warn_unused_result));

/* ---- load options: what a boot loader hands to the program beside its files, words with blanks between them ---- */

/* The value of the first word NAME=VALUE, *out_n bytes of options; NULL if there is none. Borrows options, a C string.
 */
const char *conf_option(const char *options, const char *name, size_t *out_n);

/* The checksum that the word FILE=sha256:DIGITS gives for a file: 1 with *out, 0 if there is no word FILE=VALUE, or
 * CONF_E_INVALID with *out_why the rest of a sentence about the file if it is another VALUE. */
int conf_option_sha256(const char *options, const char *file, uint8_t out[CONF_SHA256_BYTES], const char **out_why)
    __attribute__((warn_unused_result));

/* Is there a word FILE=sha256:..., of any file? */
bool conf_option_any_sha256(const char *options);

/* Is there a checksum of a file that is neither conf_name nor a key's? Somebody expects it to be checked then. */
bool conf_option_stray(const char *options, const char *conf_name, const struct conf *conf);

/* Write "FILE:LINE: what is wrong, what was expected" and a NUL to out [n_out], cut short if it does not fit. Printable
 * ASCII apart from what file holds. MUST: n_out >= 1, file is a C string. */
void conf_error_format(const struct conf_error *error, const char *file, char *out, size_t n_out);

/* Overwrite *conf with zeros; not optimised away. */
void conf_wipe(struct conf *conf);

/* What is known of a disk of this machine. The strings may be padded by spaces on either side, or end at a NUL; their
 * bytes are in reading order (ATA IDENTIFY words swapped). All zero or blank: unknown, which no serial or model
 * matches. */
struct conf_disk_id {
    char serial[CONF_SERIAL_MAX], model[CONF_MODEL_MAX];
    uint8_t bus, dev, fn; /* of the controller */
    uint8_t port;         /* on the controller; 0 where there are none */
};

bool conf_disk_match(const struct conf_disk *disk, const struct conf_disk_id *id);

/* Index of the first section that takes this disk, or -1: the disk is not intercepted. */
int conf_disk_find(const struct conf *conf, const struct conf_disk_id *id);

/* Convert valid UTF-8 (such as conf.next) to UTF-16 with a NUL: returns the units written, without the NUL. What does
 * not fit out [n_out] is left away, by whole characters. MUST: n_out >= 1, utf8 is valid and a C string. */
size_t conf_utf16(const char *utf8, uint16_t *out, size_t n_out);

/* And back, up to the first NUL or n_units: "?" for what is no character. false if that and a NUL do not fit out
 * [n_out]; what fits is there then. MUST: n_out >= 1. */
bool conf_utf8_from(const uint16_t *utf16, size_t n_units, char *out, size_t n_out);

#endif
