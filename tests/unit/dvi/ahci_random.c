/* Random commands on two disks at once, in every mode a driver may be in, with a device that reorders and fails.
 * Whatever happens: the guest reads what it wrote, the medium holds its transform, nothing forbidden reaches the
 * device, and no bounce memory is lost. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "ahci_bench.h"

static const uint8_t dma_reads[] = {W_READ, W_READ_EXT, W_READ_DMA_EXT, W_READ_MULTI_EXT, W_READ_MULTI, W_READ_DMA};
static const uint8_t dma_writes[] = {W_WRITE,           W_WRITE_EXT,          W_WRITE_DMA_EXT,
                                     W_WRITE_MULTI_EXT, W_WRITE_DMA_FUA_EXT,  W_WRITE_MULTI,
                                     W_WRITE_DMA,       W_WRITE_MULTI_FUA_EXT};

#define N_SEEDS 3u
#define N_STEPS 600u

struct mode {
    const char *name;
    size_t pool_pages; /* 0: plenty */
    bool bare;         /* no mediator, no policy: a test of the model and the driver */
    unsigned pending;  /* how often an interrupt waits while something is encrypted or decrypted: percentage */
    bool messages;     /* the device's interrupts are */
    bool edges;        /* IS takes note of changes only */
    bool racing;       /* the device gets on while the driver looks, interrupt-driven too */
    bool ncq, irq_driven, mutate, with_refusals, with_faults, with_resets, big, firmware_running;
};

static bool overlaps_outstanding(const struct bench_port *p, uint64_t lba, uint32_t n) {
    for (unsigned s = 0; s < 32; s++)
        if (p->busy >> s & 1 && vmm_ranges_overlap(p->cmd[s].lba, p->cmd[s].n_bytes / 512, lba, n)) return true;
    return false;
}

/* Around the borders of the policy's ranges more often than not. */
static uint64_t pick_lba(struct bench *b) {
    static const uint32_t borders[] = {0, 100, 4000, 4001, 4100, 5000, 5003, 6001};
    if (bench_random(b, 3) == 0) return bench_random(b, BENCH_SECTORS);
    uint32_t at = borders[bench_random(b, 8)] + bench_random(b, 24);
    return at < 20 ? at : at - 20;
}

static bool allowed(const struct bench_port *p, bool write, uint64_t lba, uint32_t n) {
    for (uint64_t l = lba; p->policy && l < lba + n; l++) {
        struct dvi_span s = dvi_policy_lookup(p->policy, l, 1);
        if (s.action == DVI_DENY || (write && s.action == DVI_READ_ONLY)) return false;
    }
    return true;
}

static void issue_something(struct bench *b, const struct mode *m, unsigned port) {
    struct bench_port *p = &b->port[port];
    bool write = bench_random(b, 2);
    uint32_t max = m->big ? 220 : 24, n = 1 + bench_random(b, bench_random(b, 4) ? 8 : max);
    uint64_t lba = pick_lba(b);
    unsigned slot = bench_free_slot(b, port);
    if (n > BENCH_SECTORS - lba) n = (uint32_t)(BENCH_SECTORS - lba);
    bool ok = allowed(p, write, lba, n);
    if (slot == 32 || overlaps_outstanding(p, lba, n) || (!ok && !m->with_refusals)) return;
    if (!ok && m->ncq && bench_random(b, 4)) return; /* an error ends all that is queued: not too often */
    static const uint32_t pieces[] = {2, 64, 510, 512, 4096, 1u << 16};
    uint32_t piece = pieces[bench_random(b, 6)];
    while (n * 512 / piece > BENCH_MAX_PRDS) piece *= 2;
    uint8_t op = write ? dma_writes[bench_random(b, 8)] : dma_reads[bench_random(b, 6)];
    if (m->ncq) op = write ? W_WRITE_FPDMA : W_READ_FPDMA;
    bench_issue(b, port, slot, op, lba, n, piece);
}

static void order_fault(struct bench *b, unsigned port) {
    static const enum ahci_model_fault faults[] = {FAULT_TASK_FILE, FAULT_HALFWAY, FAULT_INTERFACE,
                                                   FAULT_HOST_BUS,  FAULT_SHORT,   FAULT_SILENT};
    ahci_model_fail(&b->m, port, faults[bench_random(b, 6)], 1 + bench_random(b, 5));
}

static void reset_something(struct bench *b, unsigned port) {
    uint8_t id[512];
    bool comreset = bench_random(b, 2);
    bench_recover(b, port, comreset);
    if (!comreset) return;
    if (bench_random(b, 4) == 0) bench_do(b, port, W_READ_DMA_EXT, 50, 2, 512); /* too early: refused */
    cr_assert(bench_identify(b, port, id));
}

static void one_step(struct bench *b, const struct mode *m) {
    unsigned port = bench_random(b, BENCH_PORTS);
    struct bench_port *p = &b->port[port];
    b->f.mutate = m->mutate;
    p->maybe_error = p->maybe_short = m->with_faults;
    if (m->with_faults && p->busy == 0 && bench_random(b, 20) == 0) order_fault(b, port);
    if (bench_random(b, 3)) issue_something(b, m, port);
    for (uint32_t i = bench_random(b, 4); i > 0; i--) ahci_model_step(&b->m);
    bench_check(b);
    if (m->irq_driven) {
        if (b->m.irq) bench_interrupt(b);
    } else if (bench_random(b, 2)) {
        bench_poll(b, port);
    }
    b->f.mutate = false;
    if (m->with_resets && bench_random(b, 150) == 0) {
        ahci_model_fail(&b->m, port, FAULT_NONE, 0);
        p->maybe_error = true; /* for what is outstanding */
        reset_something(b, port);
    }
}

static void run(const struct mode *m, uint32_t seed, uint64_t *n_ok, uint64_t *n_refused, uint64_t *n_failed) {
    struct bench *b = calloc(1, sizeof *b);
    struct bench_options o = {.seed = seed,
                              .pool_bytes = m->pool_pages * VMM_PAGE_BYTES,
                              .policy = m->bare ? NULL : &bench_policy,
                              .bare = m->bare,
                              .firmware_running = m->firmware_running,
                              .auto_step = m->irq_driven && !m->racing ? 0 : 30,
                              .slice_sectors = m->pending ? DVI_SLICE_MIN : 0,
                              .pending = m->pending};
    bench_set_up(b, &o);
    b->irq_driven = m->irq_driven;
    b->m.racing = m->racing;
    b->m.edges = m->edges;
    b->m.messages = m->messages;
    if (m->firmware_running) bench_put(b, W_GHC, W_GHC_AE | W_GHC_IE);
    for (unsigned p = 0; p < BENCH_PORTS && m->firmware_running; p++) bench_pput(b, p, W_PxIE, UINT32_MAX);
    for (uint32_t i = 0; i < N_STEPS; i++) one_step(b, m);
    bench_wait(b);
    for (unsigned p = 0; p < BENCH_PORTS; p++) ahci_model_fail(&b->m, p, FAULT_NONE, 0);
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
    cr_expect(n_refused == 0 || m->with_refusals || (m->with_resets && !m->bare));
    cr_expect(n_refused > 0 || !m->with_refusals);
    cr_expect_eq(n_failed > 0, m->with_faults || m->with_resets || m->with_refusals);
}

#define MODE(id, ...)                                                                                                  \
    Test(ahci_random, id) {                                                                                            \
        struct mode m = {.name = #id, __VA_ARGS__};                                                                    \
        run_mode(&m);                                                                                                  \
    }

MODE(bare, .bare = true)
MODE(bare_queued_irq, .bare = true, .ncq = true, .irq_driven = true, .big = true)
MODE(bare_faults_queued, .bare = true, .ncq = true, .with_faults = true, .with_resets = true)
MODE(bare_faults, .bare = true, .with_faults = true, .with_resets = true, .big = true)
MODE(plain, .pool_pages = 0)
MODE(plain_irq, .irq_driven = true)
MODE(queued, .ncq = true)
MODE(queued_irq, .ncq = true, .irq_driven = true)
MODE(small_pool, .ncq = true, .pool_pages = 1, .big = true)
MODE(small_pool_irq, .ncq = true, .irq_driven = true, .pool_pages = 1, .big = true)
MODE(small_pool_plain_irq, .irq_driven = true, .pool_pages = 2, .big = true)
MODE(big, .ncq = true, .pool_pages = 256, .big = true)
MODE(refusals, .with_refusals = true)
MODE(refusals_queued, .ncq = true, .with_refusals = true, .pool_pages = 4)
MODE(double_fetch, .mutate = true, .with_refusals = true)
MODE(double_fetch_queued, .mutate = true, .ncq = true, .pool_pages = 3, .big = true)
MODE(faults, .with_faults = true, .big = true, .pool_pages = 8)
MODE(faults_queued, .ncq = true, .with_faults = true, .pool_pages = 8)
MODE(resets, .with_resets = true, .pool_pages = 8, .big = true)
MODE(resets_queued_irq, .ncq = true, .with_resets = true, .irq_driven = true, .pool_pages = 8, .big = true)
MODE(everything, .ncq = true, .with_faults = true, .with_resets = true, .with_refusals = true, .big = true,
     .pool_pages = 5)
MODE(bare_racing, .bare = true, .ncq = true, .irq_driven = true, .racing = true, .big = true)
MODE(bare_messages, .bare = true, .irq_driven = true, .messages = true, .big = true)
MODE(bare_edges, .bare = true, .irq_driven = true, .edges = true, .big = true)
MODE(racing, .ncq = true, .irq_driven = true, .racing = true, .big = true, .pool_pages = 8)
MODE(messages, .irq_driven = true, .messages = true, .big = true)
MODE(edges, .irq_driven = true, .edges = true, .messages = true, .big = true)
MODE(slices, .pending = 100, .big = true)
MODE(slices_irq, .pending = 100, .irq_driven = true, .big = true)
MODE(slices_messages, .pending = 100, .irq_driven = true, .messages = true, .big = true)
MODE(slices_edges, .pending = 100, .irq_driven = true, .edges = true, .big = true)
MODE(slices_queued, .pending = 100, .ncq = true, .big = true, .pool_pages = 8)
MODE(slices_queued_irq, .pending = 100, .ncq = true, .irq_driven = true, .big = true, .pool_pages = 8)
MODE(slices_queued_messages, .pending = 60, .ncq = true, .irq_driven = true, .messages = true, .big = true)
MODE(slices_queued_edges, .pending = 60, .ncq = true, .irq_driven = true, .edges = true, .messages = true, .big = true)
MODE(slices_racing, .pending = 70, .irq_driven = true, .racing = true, .big = true, .pool_pages = 8)
MODE(slices_queued_racing, .pending = 100, .ncq = true, .irq_driven = true, .racing = true, .big = true,
     .pool_pages = 8)
MODE(slices_small_pool_irq, .pending = 80, .ncq = true, .irq_driven = true, .big = true, .pool_pages = 1)
MODE(slices_pool_of_3_irq, .pending = 50, .ncq = true, .irq_driven = true, .big = true, .pool_pages = 3)
MODE(slices_double_fetch, .pending = 90, .mutate = true, .ncq = true, .big = true, .pool_pages = 30)
MODE(slices_faults, .pending = 90, .with_faults = true, .big = true, .pool_pages = 8)
MODE(slices_faults_irq, .pending = 90, .with_faults = true, .irq_driven = true, .racing = true, .big = true)
MODE(slices_faults_queued, .pending = 90, .ncq = true, .with_faults = true, .with_resets = true, .big = true,
     .pool_pages = 8)
MODE(slices_resets_irq, .pending = 90, .with_resets = true, .irq_driven = true, .big = true)
MODE(slices_resets_queued_irq, .pending = 90, .ncq = true, .with_resets = true, .irq_driven = true, .racing = true,
     .big = true, .pool_pages = 8)
MODE(slices_everything, .pending = 90, .ncq = true, .with_faults = true, .with_resets = true, .with_refusals = true,
     .irq_driven = true, .racing = true, .big = true, .pool_pages = 5)
MODE(after_firmware, .firmware_running = true, .with_refusals = true)
