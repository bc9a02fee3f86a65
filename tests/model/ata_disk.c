#include "ata_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ata_wire.h"
#include "fake_host.h"

void ata_disk_init(struct ata_disk *d, uint64_t n_units, const char *serial) {
    memset(d, 0, sizeof *d);
    d->data = calloc(n_units, 512);
    if (!d->data) fake_fail("out of memory");
    d->n_units = n_units;
    d->logical_bytes = 512;
    d->ncq = true;
    d->n_heads = ATA_DISK_HEADS;
    d->sectors_per_track = ATA_DISK_SECTORS;
    d->multiple = ATA_DISK_MAX_MULTIPLE;
    snprintf(d->serial, sizeof d->serial, "%s", serial);
    snprintf(d->model, sizeof d->model, "MODEL DISK");
}

void ata_disk_free(struct ata_disk *d) { free(d->data); }

static void put16(uint8_t *page, unsigned word, uint16_t v) { memcpy(page + 2 * word, &v, 2); }

/* Strings fill their field with blanks and hold the first character of a pair in the upper byte. */
static void put_string(uint8_t *page, unsigned word, unsigned n, const char *s) {
    size_t len = strlen(s);
    for (unsigned i = 0; i < n; i++) page[2 * word + (i ^ 1)] = i < len ? (uint8_t)s[i] : ' ';
}

/* ATA-5 (T13/1321D revision 3), 8.12 "IDENTIFY DEVICE", words 1, 3, 6 and 53 to 58. */
static void identify_geometry(const struct ata_disk *d, uint8_t *page) {
    unsigned per_cylinder = d->n_heads * d->sectors_per_track;
    uint64_t n_default = d->n_units / (ATA_DISK_HEADS * ATA_DISK_SECTORS), n = d->n_units / per_cylinder;
    if (n_default > 16383) n_default = 16383;
    if (n > 65535) n = 65535;
    uint64_t capacity = n * per_cylinder;
    put16(page, 1, (uint16_t)n_default);
    put16(page, 3, ATA_DISK_HEADS);
    put16(page, 6, ATA_DISK_SECTORS);
    put16(page, 53, 0x0007);
    put16(page, 54, (uint16_t)n);
    put16(page, 55, (uint16_t)d->n_heads);
    put16(page, 56, (uint16_t)d->sectors_per_track);
    put16(page, 57, (uint16_t)capacity);
    put16(page, 58, (uint16_t)(capacity >> 16));
}

/* ATA8-ACS 7.16 "IDENTIFY DEVICE". */
static void identify(const struct ata_disk *d, uint8_t *page) {
    uint64_t n = d->n_units * 512 / d->logical_bytes;
    memset(page, 0, 512);
    put16(page, 0, d->atapi ? 0x8580 : 0x0040);
    put_string(page, 10, 20, d->serial);
    put_string(page, 23, 8, "1.0");
    put_string(page, 27, 40, d->model);
    put16(page, 47, 0x8000 | ATA_DISK_MAX_MULTIPLE);
    put16(page, 49, 0x0300); /* LBA, DMA */
    if (!d->atapi) identify_geometry(d, page);
    if (d->multiple) put16(page, 59, (uint16_t)(0x0100 | d->multiple));
    put16(page, 60, (uint16_t)(n > 0x0fffffff ? 0xffff : n));
    put16(page, 61, (uint16_t)(n > 0x0fffffff ? 0x0fff : n >> 16));
    put16(page, 75, 31);
    put16(page, 76, d->ncq ? 0x0102 : 0x0002);
    put16(page, 80, 0x01f0);
    put16(page, 82, 0x4021);
    put16(page, 83, 0x7400); /* 48-bit, FLUSH CACHE, FLUSH CACHE EXT */
    put16(page, 84, 0x4000);
    put16(page, 85, 0x4021);
    put16(page, 86, 0x3400);
    put16(page, 87, 0x4000);
    for (unsigned i = 0; i < 4; i++) put16(page, 100 + i, (uint16_t)(n >> (16 * i)));
    if (d->logical_bytes != 512) {
        put16(page, 106, 0x5000);
        put16(page, 117, (uint16_t)(d->logical_bytes / 2));
    }
    put16(page, 169, 1); /* TRIM */
}

/* ACS-3 9.12 "NCQ Command Error log"; the last byte makes the sum zero. */
static void error_log(const struct ata_disk *d, uint8_t *page) {
    memset(page, 0, 512);
    page[0] = d->error_tag;
    page[2] = W_ST_DRDY | W_ST_ERR;
    page[3] = W_ER_ABRT;
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++) sum = (uint8_t)(sum + page[i]);
    page[511] = (uint8_t)-sum;
}

static uint64_t lba48(const uint8_t *f) {
    return (uint64_t)f[4] | (uint64_t)f[5] << 8 | (uint64_t)f[6] << 16 | (uint64_t)f[8] << 24 | (uint64_t)f[9] << 32 |
           (uint64_t)f[10] << 40;
}

static uint64_t lba28(const uint8_t *f) {
    return (uint64_t)f[4] | (uint64_t)f[5] << 8 | (uint64_t)f[6] << 16 | (uint64_t)(f[7] & 0x0f) << 24;
}

/* ATA-5, 5.2.1: sectors count from 1. Of a place that does not exist: an LBA that does not either. */
static uint64_t chs(const struct ata_disk *d, const uint8_t *f) {
    uint64_t cylinder = f[5] | (uint64_t)f[6] << 8;
    unsigned head = f[7] & 0x0f, sector = f[4];
    if (head >= d->n_heads || sector == 0 || sector > d->sectors_per_track) return UINT64_MAX;
    return (cylinder * d->n_heads + head) * d->sectors_per_track + sector - 1;
}

/* Heads and sectors per track. */
static bool init_params(struct ata_disk *d, const uint8_t *f) {
    if (f[12] == 0) return false;
    d->n_heads = (f[7] & 0x0fu) + 1;
    d->sectors_per_track = f[12];
    return true;
}

static bool set_multiple(struct ata_disk *d, unsigned n) {
    if (n > ATA_DISK_MAX_MULTIPLE || (n & (n - 1)) != 0) return false;
    d->multiple = n;
    return true;
}

static void media(struct ata_task *t, enum ata_move move, bool ext, const uint8_t *f) {
    uint64_t n = ext ? (f[12] | (uint64_t)f[13] << 8) : f[12];
    if (n == 0) n = ext ? 65536 : 256;
    t->media = true;
    t->move = move;
    t->lba = ext ? lba48(f) : lba28(f);
    t->n_bytes = n; /* logical sectors still */
}

static void queued(struct ata_task *t, enum ata_move move, const uint8_t *f) {
    uint64_t n = f[3] | (uint64_t)f[11] << 8;
    t->media = t->ncq = true;
    t->move = move;
    t->tag = f[12] >> 3;
    t->lba = lba48(f);
    t->n_bytes = n ? n : 65536;
}

static bool small(struct ata_task *t, uint64_t n) {
    t->move = ATA_TO_HOST;
    t->n_bytes = n;
    return n <= sizeof t->small;
}

/* clang-format off */
/* Reads and writes of sectors. */
static const struct {
    uint8_t opcode;
    enum ata_move move;
    bool pio, ext, queued;
} media_commands[] = {
    {W_READ, ATA_TO_HOST, true, false, false},         {W_READ_OLD, ATA_TO_HOST, true, false, false},
    {W_READ_MULTI, ATA_TO_HOST, true, false, false},   {W_READ_EXT, ATA_TO_HOST, true, true, false},
    {W_READ_MULTI_EXT, ATA_TO_HOST, true, true, false},
    {W_WRITE, ATA_TO_DEVICE, true, false, false},      {W_WRITE_OLD, ATA_TO_DEVICE, true, false, false},
    {W_WRITE_MULTI, ATA_TO_DEVICE, true, false, false}, {W_WRITE_EXT, ATA_TO_DEVICE, true, true, false},
    {W_WRITE_MULTI_EXT, ATA_TO_DEVICE, true, true, false}, {W_WRITE_MULTI_FUA_EXT, ATA_TO_DEVICE, true, true, false},
    {W_READ_DMA, ATA_TO_HOST, false, false, false},    {W_READ_DMA_OLD, ATA_TO_HOST, false, false, false},
    {W_READ_DMA_EXT, ATA_TO_HOST, false, true, false},
    {W_WRITE_DMA, ATA_TO_DEVICE, false, false, false}, {W_WRITE_DMA_OLD, ATA_TO_DEVICE, false, false, false},
    {W_WRITE_DMA_EXT, ATA_TO_DEVICE, false, true, false}, {W_WRITE_DMA_FUA_EXT, ATA_TO_DEVICE, false, true, false},
    {W_READ_FPDMA, ATA_TO_HOST, false, true, true},    {W_WRITE_FPDMA, ATA_TO_DEVICE, false, true, true},
};
/* clang-format on */

static bool is_multiple(uint8_t opcode) {
    return opcode == W_READ_MULTI || opcode == W_READ_MULTI_EXT || opcode == W_WRITE_MULTI ||
           opcode == W_WRITE_MULTI_EXT || opcode == W_WRITE_MULTI_FUA_EXT;
}

/* False: another kind of command. */
static bool media_command(const uint8_t *f, struct ata_task *t) {
    for (unsigned i = 0; i < sizeof media_commands / sizeof media_commands[0]; i++) {
        if (media_commands[i].opcode != t->opcode) continue;
        if (media_commands[i].queued)
            queued(t, media_commands[i].move, f);
        else
            media(t, media_commands[i].move, media_commands[i].ext, f);
        t->pio = media_commands[i].pio;
        t->multi = is_multiple(t->opcode);
        return true;
    }
    return false;
}

static bool forbidden(struct ata_disk *d, uint8_t opcode) {
    d->n_forbidden++;
    d->last_forbidden = opcode;
    return true; /* obeyed */
}

/* Without data, and harmless. */
static bool is_harmless(const uint8_t *f) {
    static const uint8_t opcodes[] = {
        W_DEVICE_RESET, W_RECALIBRATE, W_SEEK, W_NATIVE_MAX_EXT, W_VERIFY, W_VERIFY_OLD, W_VERIFY_EXT, W_STANDBY_NOW,
        W_IDLE_NOW,     W_STANDBY,     W_IDLE, W_CHECK_POWER,    W_SLEEP,  W_FLUSH,      W_FLUSH_EXT,  W_NATIVE_MAX};
    static const uint8_t features[] = {0x02, 0x03, 0x05, 0x06, 0x07, 0x10, 0x42, 0x4a, 0x55,
                                       0x66, 0x82, 0x85, 0x86, 0x90, 0xaa, 0xc2, 0xcc};
    if (f[2] == W_SET_FEATURES) return memchr(features, f[3], sizeof features) != NULL;
    if (f[2] == W_SMART) return f[3] == 0xd8 || f[3] == 0xda;
    return memchr(opcodes, f[2], sizeof opcodes) != NULL;
}

static bool other_command(struct ata_disk *d, const uint8_t *f, struct ata_task *t) {
    if (t->opcode == W_SET_MULTI) return set_multiple(d, f[12]);
    if (is_harmless(f)) return true;
    switch (t->opcode) {
    case W_NOP: return false;
    case W_INIT_PARAMS: return !d->atapi && init_params(d, f);
    case W_IDENTIFY:
    case W_IDENTIFY_PACKET:
        t->pio = true;
        identify(d, t->small);
        return d->atapi == (t->opcode == W_IDENTIFY_PACKET) && small(t, 512);
    case W_READ_LOG_EXT:
    case W_READ_LOG_DMA_EXT:
        t->pio = t->opcode == W_READ_LOG_EXT;
        error_log(d, t->small);
        if (f[4] == 0x10) d->ncq_error = false;
        return small(t, f[12] * 512u);
    case W_SMART:
        t->pio = true;
        if (f[3] != 0xd0 && f[3] != 0xd1 && f[3] != 0xd5) return forbidden(d, t->opcode);
        return small(t, 512);
    case W_DSM:
        t->move = ATA_TO_DEVICE;
        t->n_bytes = (f[12] | (uint64_t)f[13] << 8) * 512;
        return (f[3] & 1) && t->n_bytes <= sizeof t->small;
    default: return forbidden(d, t->opcode);
    }
}

/* A drive with one block, for READ(10) of anything. */
static bool packet(const struct ata_disk *d, const uint8_t *acmd, struct ata_task *t) {
    if (!d->atapi || acmd[0] == 0) return d->atapi;
    for (unsigned i = 0; i < 2048; i++) t->small[i] = (uint8_t)(i * 7 + acmd[5]);
    return acmd[0] == 0x28 && small(t, 2048);
}

bool ata_disk_begin(struct ata_disk *d, const uint8_t *f, const uint8_t *acmd, struct ata_task *t) {
    memset(t, 0, sizeof *t);
    t->opcode = d->last_opcode = f[2];
    d->n_commands++;
    bool ok;
    if (t->opcode == W_PACKET) {
        ok = packet(d, acmd, t);
    } else if (d->ncq_error && !(t->opcode == W_READ_LOG_EXT && f[4] == 0x10)) {
        ok = false;
    } else if (media_command(f, t)) {
        uint64_t n = d->n_units * 512 / d->logical_bytes;
        if (!(f[7] & W_DEV_LBA)) {
            if (!d->chs_ok) forbidden(d, t->opcode);
            t->lba = chs(d, f);
        }
        ok = !d->atapi && t->lba < n && t->n_bytes <= n - t->lba && (!t->multi || d->multiple);
        t->lba *= d->logical_bytes / 512;
        t->n_bytes *= d->logical_bytes;
    } else {
        ok = other_command(d, f, t);
    }
    d->n_aborted += !ok;
    return ok;
}

void ata_disk_send(const struct ata_disk *d, const struct ata_task *t, uint64_t offset, uint8_t *dst, size_t n) {
    memcpy(dst, t->media ? d->data + t->lba * 512 + offset : t->small + offset, n);
}

void ata_disk_take(struct ata_disk *d, struct ata_task *t, uint64_t offset, const uint8_t *src, size_t n) {
    memcpy(t->media ? d->data + t->lba * 512 + offset : t->small + offset, src, n);
}

/* DATA SET MANAGEMENT, ACS-3 7.5: entries of 48 bits of LBA and 16 of length; what is trimmed reads as zeroes here. */
void ata_disk_end(struct ata_disk *d, const struct ata_task *t) {
    if (t->opcode != W_DSM) return;
    for (uint64_t i = 0; i < t->n_bytes; i += 8) {
        uint64_t entry, lba, n;
        memcpy(&entry, t->small + i, 8);
        lba = entry & 0xffffffffffff;
        n = entry >> 48;
        if (lba < d->n_units && n <= d->n_units - lba) memset(d->data + lba * 512, 0, n * 512);
    }
}
