/* Random commands on four disks of two channels, in every manner a driver may have, on a device that fails and is reset
 * under way. Whatever happens: the guest reads what it wrote, the medium holds its transform, and nothing forbidden
 * reaches the device. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "ata_bench.h"

static const uint8_t reads[] = {W_READ,           W_READ_OLD, W_READ_EXT,     W_READ_MULTI,
                                W_READ_MULTI_EXT, W_READ_DMA, W_READ_DMA_OLD, W_READ_DMA_EXT};
static const uint8_t writes[] = {W_WRITE,           W_WRITE_OLD,           W_WRITE_EXT, W_WRITE_MULTI,
                                 W_WRITE_MULTI_EXT, W_WRITE_MULTI_FUA_EXT, W_WRITE_DMA, W_WRITE_DMA_OLD,
                                 W_WRITE_DMA_EXT,   W_WRITE_DMA_FUA_EXT};

#define N_SEEDS 3u
#define N_STEPS 1500u

struct mode {
    const char *name;
    uint32_t slice; /* 0: plenty */
    bool bare;      /* no mediator, no policy: a test of the model and the driver */
    bool irq_driven, native, mutate, with_refusals, with_faults, with_resets, big, dma_only;
};

/* Around the borders of the policy's ranges more often than not. */
static uint64_t pick_lba(struct bench *b) {
    static const uint32_t borders[] = {0, 100, 4000, 4001, 4100, 5000, 5003, 6001, BENCH_SECTORS - 5};
    if (bench_random(b, 3) == 0) return bench_random(b, BENCH_SECTORS);
    uint32_t at = borders[bench_random(b, 9)] + bench_random(b, 24);
    at = at < 20 ? at : at - 20;
    return at < BENCH_SECTORS ? at : BENCH_SECTORS - 1;
}

static struct bench_manner pick_manner(struct bench *b, const struct mode *m) {
    static const uint32_t pieces[] = {2, 62, 510, 512, 4096, 1u << 16};
    static const uint32_t gaits[] = {0, 0, 0, 200, 512, 1000};
    return (struct bench_manner){.look = m->irq_driven ? LOOK_IRQ : (enum bench_look)bench_random(b, N_LOOKS),
                                 .start_first = bench_random(b, 4) == 0,
                                 .wide = bench_random(b, 2),
                                 .chs = bench_random(b, 4) == 0,
                                 .max_bytes = gaits[bench_random(b, 6)],
                                 .min_piece = pieces[bench_random(b, 6)]};
}

static uint32_t pick_length(struct bench *b, const struct mode *m, uint8_t opcode) {
    bool dma = bench_proto_of(opcode) == BENCH_DMA_IN || bench_proto_of(opcode) == BENCH_DMA_OUT;
    uint32_t n = 1 + bench_random(b, bench_random(b, 4) ? 8 : 40);
    if (m->big && dma && bench_random(b, 4) == 0) n = 1 + bench_random(b, bench_is_ext(opcode) ? 1500 : 256);
    return n;
}

static bool fits_geometry(const struct ata_disk *d, uint64_t lba, uint32_t n) {
    uint64_t cylinder = d->n_heads * d->sectors_per_track;
    return lba + n <= d->n_units / cylinder * cylinder;
}

static void issue_something(struct bench *b, const struct mode *m, unsigned device) {
    struct bench_device *d = &b->dev[device];
    struct bench_manner manner = pick_manner(b, m);
    bool write = bench_random(b, 2);
    uint8_t op = write ? writes[bench_random(b, sizeof writes)] : reads[bench_random(b, sizeof reads)];
    if (m->dma_only) op = write ? W_WRITE_DMA_EXT : W_READ_DMA_EXT;
    uint32_t n = pick_length(b, m, op);
    uint64_t lba = pick_lba(b);
    if (n > BENCH_SECTORS - lba && (bench_random(b, 8) || !m->with_refusals)) n = (uint32_t)(BENCH_SECTORS - lba);
    bool ok = bench_allowed(d->policy, write, lba, n) && n <= BENCH_SECTORS - lba;
    if (!ok && !m->with_refusals) return;
    manner.chs &= fits_geometry(&d->disk, lba, n);
    bench_issue(b, device, op, lba, n, &manner);
}

/* SET MULTIPLE and INITIALIZE DEVICE PARAMETERS, as drivers do once. */
static void configure_something(struct bench *b, unsigned device) {
    static const uint8_t multiples[] = {1, 2, 4, 8, 16}, heads[] = {16, 4, 1}, tracks[] = {63, 17, 255};
    struct bench_device *d = &b->dev[device];
    if (bench_random(b, 2)) {
        cr_assert(bench_set_multiple(b, device, multiples[bench_random(b, 5)]) || d->maybe_error);
    } else if (b->m.ch[device / 2].dev[device % 2].fault_in == 0) { /* one that fails has a test of its own */
        unsigned n = heads[bench_random(b, 3)], track = tracks[bench_random(b, 3)];
        cr_assert(bench_set_geometry(b, device, n, track) || d->maybe_error);
    }
}

static void order_fault(struct bench *b, unsigned device) {
    static const enum ata_model_fault faults[] = {ATA_FAULT_ABORT, ATA_FAULT_HALFWAY, ATA_FAULT_STOPS, ATA_FAULT_BUS,
                                                  ATA_FAULT_BUSY};
    ata_model_fail(&b->m, device, faults[bench_random(b, 5)], 1 + bench_random(b, 5));
}

static void one_step(struct bench *b, const struct mode *m) {
    unsigned device = bench_random(b, BENCH_DEVICES), channel = device / 2;
    struct bench_cmd *c = &b->cmd[channel];
    b->f.mutate = m->mutate;
    for (unsigned i = 0; i < BENCH_DEVICES; i++) b->dev[i].maybe_error = m->with_faults;
    if (m->with_faults && !c->busy && bench_random(b, 12) == 0) order_fault(b, device);
    if (!c->busy && bench_random(b, 30) == 0)
        configure_something(b, device);
    else if (!c->busy && bench_random(b, 3))
        issue_something(b, m, device);
    for (uint32_t i = bench_random(b, 60); i > 0; i--) {
        for (uint32_t k = bench_random(b, 4); k > 0; k--) ata_model_step(&b->m);
        bench_check(b);
        bench_poll(b, bench_random(b, BENCH_CHANNELS));
    }
    b->f.mutate = false;
    if (m->with_resets && bench_random(b, 60) == 0) bench_recover(b, channel);
}

static void run(const struct mode *m, uint32_t seed, uint64_t *n_ok, uint64_t *n_refused, uint64_t *n_failed) {
    struct bench *b = calloc(1, sizeof *b);
    struct bench_options o = {.seed = seed,
                              .policy = &bench_policy,
                              .bare = m->bare,
                              .native = m->native,
                              .slice_sectors = m->slice,
                              .auto_step = m->irq_driven ? 0 : 30};
    bench_set_up(b, &o);
    for (uint32_t i = 0; i < N_STEPS; i++) one_step(b, m);
    bench_wait(b);
    bench_check_idle(b);
    *n_ok += b->n_ok;
    *n_refused += b->n_refused;
    *n_failed += b->n_failed;
    bench_tear_down(b);
    free(b);
}

static void run_mode(const struct mode *m) {
    uint64_t n_ok = 0, n_refused = 0, n_failed = 0;
    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) run(m, seed, &n_ok, &n_refused, &n_failed);
    cr_log_info("%s: %lu commands ended well, %lu were refused, %lu failed", m->name, n_ok, n_refused, n_failed);
    cr_expect_gt(n_ok, N_SEEDS * N_STEPS / 20, "%s: only %lu commands ended well", m->name, n_ok);
    cr_expect_eq(n_refused > 0, m->with_refusals);
    cr_expect_eq(n_failed > 0, m->with_faults || m->with_resets);
}

#define MODE(id, ...)                                                                                                  \
    Test(ata_random, id) {                                                                                             \
        struct mode m = {.name = #id, __VA_ARGS__};                                                                    \
        run_mode(&m);                                                                                                  \
    }

MODE(plain, .big = false)
MODE(plain_irq, .irq_driven = true)
MODE(native, .native = true)
MODE(big, .big = true)
MODE(big_dma_irq, .big = true, .dma_only = true, .irq_driven = true)
MODE(refusals, .with_refusals = true)
MODE(refusals_irq, .with_refusals = true, .irq_driven = true, .native = true)
MODE(double_fetch, .mutate = true, .with_refusals = true)
MODE(double_fetch_big, .mutate = true, .dma_only = true, .big = true)
MODE(faults, .with_faults = true)
MODE(faults_irq, .with_faults = true, .big = true, .irq_driven = true)
MODE(resets, .with_resets = true, .big = true)
MODE(resets_irq, .with_resets = true, .irq_driven = true)
MODE(slices, .slice = 32, .big = true)
MODE(slices_irq, .slice = 33, .big = true, .dma_only = true, .irq_driven = true)
MODE(slices_faults, .slice = 41, .with_faults = true, .with_resets = true, .big = true)
MODE(everything, .with_faults = true, .with_resets = true, .with_refusals = true, .big = true)
MODE(everything_irq, .with_faults = true, .with_resets = true, .with_refusals = true, .irq_driven = true)
MODE(bare, .bare = true, .with_refusals = true)
MODE(bare_irq, .bare = true, .irq_driven = true, .big = true)
MODE(bare_native_faults, .bare = true, .native = true, .with_faults = true, .big = true)
MODE(bare_resets_irq, .bare = true, .with_resets = true, .irq_driven = true)
