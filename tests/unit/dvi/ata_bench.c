/* Machine and oracle. The driver is in ata_driver.c. */
#include "ata_bench.h"

#include <stdlib.h>
#include <string.h>
#include <dvi/pci_regs.h>

uint32_t bench_random(struct bench *b, uint32_t below) {
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 17;
    b->rng ^= b->rng << 5;
    return b->rng % below;
}

void bench_fill(struct bench *b, uint8_t *out, size_t n_bytes) {
    uint64_t x = bench_random(b, UINT32_MAX) + 1;
    for (size_t i = 0; i < n_bytes; i++) {
        if (i % 8 == 0) x = x * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
        out[i] = (uint8_t)(x >> (8 * (i % 8)));
    }
}

/* --- what must always hold --- */

/* Sectors that arrive are those of the channel's command, transformed; and nothing moves that policy forbids. */
static void moved(void *ctx, unsigned device, const struct ata_task *t, uint64_t offset, const uint8_t *data,
                  uint64_t n) {
    struct bench *b = ctx;
    const struct bench_device *d = &b->dev[device];
    const struct bench_cmd *c = &b->cmd[device / 2];
    uint8_t raw[512];
    bool write = t->move == ATA_TO_DEVICE;
    if (!t->media) return;
    uint64_t first = t->lba + offset / 512, end = t->lba + (offset + n + 511) / 512;
    if (!bench_allowed(d->policy, write, first, end - first))
        fake_fail("device %u: lba %lu is touched in spite of its policy", device, first);
    if (!write) return;
    if (!c->busy || c->device != device || !c->sectors || !c->write || first < c->lba ||
        end > c->lba + c->n_bytes / 512)
        fake_fail("device %u: lba %lu is written, which nobody asked for", device, first);
    while (n > 0) {
        uint64_t lba = t->lba + offset / 512, at = offset % 512, size = n < 512 - at ? n : 512 - at;
        bench_encode(d->policy, lba, c->data + 512 * (lba - c->lba), raw, 1);
        if (memcmp(raw + at, data, size) != 0)
            fake_fail("device %u: lba %lu is written with something else than the guest's data, transformed", device,
                      lba);
        data += size, offset += size, n -= size;
    }
}

/* No exit does more than a slice: this is called after each. */
static void check_slice(struct bench *b) {
    uint64_t now = b->a.stats.sectors_encrypted + b->a.stats.sectors_decrypted, n = now - b->n_transformed;
    if (n > b->f.host.slice_sectors) fake_fail("%lu sectors in one exit, not %u", n, b->f.host.slice_sectors);
    b->n_transformed = now;
}

void bench_check(struct bench *b) {
    check_slice(b);
    if (b->m.n_bad_registers) fake_fail("the device was driven against its manual: %s", b->m.bad);
    if (b->m.n_odd_data) fake_fail("data were moved against the manual");
    if (!b->bare && b->a.lock.next != b->a.lock.owner) fake_fail("the lock is held on return to the guest");
    for (unsigned i = 0; i < BENCH_DEVICES; i++)
        if (b->dev[i].disk.n_forbidden) fake_fail("forbidden command %#x let through", b->dev[i].disk.last_forbidden);
}

void bench_check_idle(struct bench *b) {
    uint8_t raw[512];
    bench_check(b);
    for (unsigned i = 0; i < BENCH_DEVICES; i++)
        for (uint32_t lba = 0; b->dev[i].plain && lba < BENCH_SECTORS; lba++) {
            bench_encode(b->dev[i].policy, lba, b->dev[i].plain + 512 * lba, raw, 1);
            if (memcmp(raw, b->dev[i].disk.data + 512 * lba, 512) != 0)
                fake_fail("device %u: sector %u on the medium is not what the guest wrote, transformed", i, lba);
        }
}

/* --- the machine --- */

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    struct bench *b = cookie;
    const struct dvi_bdf bdf = ATA_MODEL_BDF;
    b->n_policy_calls++;
    if (id->bdf.bus != bdf.bus || id->bdf.dev != bdf.dev || id->bdf.fn != bdf.fn) fake_fail("disk id: function");
    if (id->port >= BENCH_DEVICES) fake_fail("disk id: port %u", id->port);
    const struct bench_device *d = &b->dev[id->port];
    if (strcmp(id->serial, d->disk.serial) != 0) fake_fail("disk id: serial '%s' at %u", id->serial, id->port);
    if (d->disk.atapi) fake_fail("disk id: of a drive that is none");
    if (strcmp(id->model, "MODEL DISK") != 0) fake_fail("disk id: model '%s'", id->model);
    if (id->n_sectors != BENCH_SECTORS * 512 / d->disk.logical_bytes) fake_fail("disk id: size %lu", id->n_sectors);
    if (id->sector_bytes != d->disk.logical_bytes) fake_fail("disk id: sectors of %u", id->sector_bytes);
    b->n_readers += bench_check_reader(id, d->disk.data, BENCH_SECTORS);
    return d->policy;
}

static void set_up_device(struct bench *b, unsigned i, const struct bench_options *o) {
    static const char *const serials[BENCH_DEVICES] = {"QM00001", "QM00002", "QM00003", "QM00004"};
    struct bench_device *d = &b->dev[i];
    if (o->absent >> i & 1) return;
    d->policy = o->bare || i == 1 || i == 2 ? NULL : o->policy;
    ata_disk_init(&d->disk, BENCH_SECTORS, serials[i]);
    d->disk.ncq = false;
    d->disk.chs_ok = !d->policy;
    d->disk.atapi = o->atapi >> i & 1;
    d->multiple = d->disk.multiple;
    ata_model_plug(&b->m, i, &d->disk);
    if (d->disk.atapi) return;
    d->plain = malloc(BENCH_SECTORS * 512);
    if (!d->plain) fake_fail("out of memory");
    bench_fill(b, d->plain, BENCH_SECTORS * 512);
    bench_encode(d->policy, 0, d->plain, d->disk.data, BENCH_SECTORS);
}

static void find_ports(struct bench *b) {
    static const uint16_t fixed[4] = {W_LEGACY_CMD0, W_LEGACY_CTL0, W_LEGACY_CMD1, W_LEGACY_CTL1};
    uint16_t at[4];
    for (unsigned i = 0; i < 4; i++) {
        memcpy(&at[i], b->fn->config + PCI_BAR(i), 2);
        at[i] = b->m.native ? (uint16_t)((at[i] & ~3u) + (i & 1 ? P_CONTROL : 0)) : fixed[i];
    }
    for (unsigned c = 0; c < BENCH_CHANNELS; c++) {
        b->cmd_port[c] = at[2 * c];
        b->ctl_port[c] = at[2 * c + 1];
        b->bm_port[c] = (uint16_t)(ATA_MODEL_BM_BASE + P_BM_CHANNEL * c);
    }
}

void bench_set_up_machine(struct bench *b, const struct bench_options *o) {
    memset(b, 0, sizeof *b);
    b->rng = o->seed * 2246822519u | 1;
    b->bare = o->bare;
    fake_host_init(&b->f);
    if (o->slice_sectors) b->f.host.slice_sectors = o->slice_sectors;
    ata_model_init(&b->m, &b->f, o->native, o->seed);
    b->m.auto_step = 50; /* the mediator polls */
    b->m.moved = moved;
    b->m.watch_ctx = b;
    b->fn = ata_model_attach(&b->m);
    find_ports(b);
    for (unsigned i = 0; i < BENCH_DEVICES; i++) set_up_device(b, i, o);
    for (unsigned c = 0; c < BENCH_CHANNELS; c++) {
        struct bench_cmd *cmd = &b->cmd[c];
        cmd->data = malloc(BENCH_MAX_BYTES);
        cmd->arena = malloc(BENCH_ARENA_BYTES);
        cmd->pieces = malloc(sizeof *cmd->pieces * BENCH_MAX_PRDS);
        if (!cmd->data || !cmd->arena || !cmd->pieces) fake_fail("out of memory");
    }
}

int bench_init_mediator(struct bench *b) {
    struct dvi_ata_config config = {.cookie = b, .policy_for = policy_for};
    memset(&b->a, 0xa5, sizeof b->a); /* what was there before must not matter */
    int e = dvi_ata_init(&b->a, &b->f.host, b->fn->bdf, &config);
    b->fn->must_trap = b->m.tables_of_region = e == 0;
    return e;
}

void bench_set_up(struct bench *b, const struct bench_options *o) {
    bench_set_up_machine(b, o);
    int e = o->bare ? 0 : bench_init_mediator(b);
    if (e) fake_fail("dvi_ata_init: %d", e);
    b->m.auto_step = o->auto_step;
}

void bench_tear_down(struct bench *b) {
    for (unsigned i = 0; i < BENCH_DEVICES; i++) {
        free(b->dev[i].plain);
        ata_disk_free(&b->dev[i].disk);
    }
    for (unsigned c = 0; c < BENCH_CHANNELS; c++) {
        free(b->cmd[c].data);
        free(b->cmd[c].arena);
        free(b->cmd[c].pieces);
    }
    fake_host_free(&b->f);
}
