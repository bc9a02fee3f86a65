/* Machine and oracle. The driver is in ahci_driver.c. */
#include "ahci_bench.h"

#include <stdlib.h>
#include <string.h>

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

static uint64_t get64(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Every pool page that the device may still access is taken, and by one command only. */
static void check_pool_references(struct bench *b) {
    static uint8_t owner[DVI_AHCI_MAX_POOL / VMM_PAGE_BYTES];
    memset(owner, 0, b->a.pool.n_pages);
    for (unsigned p = 0; p < AHCI_MODEL_PORTS; p++)
        for (unsigned s = 0; s < 32; s++) {
            struct ahci_model_port *port = &b->m.port[p];
            if (!port->slot[s].busy) continue;
            uint64_t list = (uint64_t)port->clbu << 32 | port->clb;
            const uint8_t *header = fake_dma(&b->f, list + 32 * s, 32);
            uint32_t n_prds = (uint32_t)get64(header) >> 16;
            uint8_t id = (uint8_t)(1 + p * 32 + s);
            for (uint32_t i = 0; i < n_prds; i++) {
                const uint8_t *prd = fake_dma(&b->f, get64(header + 8) + 0x80 + 16 * i, 16);
                uint64_t at = get64(prd) - b->a.pool.bus.v, end = at + (get64(prd + 8) >> 32 & 0x3fffff);
                if (get64(prd) < b->a.pool.bus.v || at / VMM_PAGE_BYTES >= b->a.pool.n_pages) continue;
                for (uint64_t page = at / VMM_PAGE_BYTES; page <= end / VMM_PAGE_BYTES; page++) {
                    if (!(b->a.pool.used[page / 64] >> (page % 64) & 1))
                        fake_fail("port %u slot %u: the device uses a free page of the pool", p, s);
                    if (owner[page] != 0 && owner[page] != id) fake_fail("a page of the pool has two owners");
                    owner[page] = id;
                }
            }
        }
}

void bench_check(struct bench *b) {
    uint32_t n_used = 0;
    for (uint32_t i = 0; i < b->a.pool.n_pages; i++) n_used += (uint32_t)(b->a.pool.used[i / 64] >> (i % 64) & 1);
    if (n_used + b->a.pool.n_free != b->a.pool.n_pages) fake_fail("pool: %u used, %u free", n_used, b->a.pool.n_free);
    if (b->m.n_bad_registers) fake_fail("the device was driven against its manual");
    if (b->a.lock.next != b->a.lock.owner) fake_fail("the lock is held on return to the guest");
    for (unsigned p = 0; p < BENCH_PORTS; p++)
        if (b->port[p].disk.n_forbidden) fake_fail("forbidden command %#x let through", b->port[p].disk.last_forbidden);
    check_pool_references(b);
}

void bench_check_idle(struct bench *b) {
    bench_check(b);
    if (b->a.pool.n_free != b->a.pool.n_pages)
        fake_fail("pool: %u of %u pages leaked", b->a.pool.n_pages - b->a.pool.n_free, b->a.pool.n_pages);
    uint8_t raw[512];
    for (unsigned p = 0; p < BENCH_PORTS; p++)
        for (uint32_t lba = 0; lba < b->port[p].disk.n_units; lba++) {
            bench_encode(b->port[p].policy, lba, b->port[p].plain + 512 * lba, raw, 1);
            if (memcmp(raw, b->port[p].disk.data + 512 * lba, 512) != 0)
                fake_fail("port %u: sector %u on the medium is not what the guest wrote, transformed", p, lba);
        }
}

/* --- the machine --- */

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    struct bench *b = cookie;
    b->n_policy_calls++;
    if (id->bdf.bus != 0 || id->bdf.dev != 31 || id->bdf.fn != 2) fake_fail("disk id: function");
    for (unsigned i = 0; i < BENCH_PORTS; i++)
        if (strcmp(id->serial, b->port[i].disk.serial) == 0) {
            if (id->port != i || strcmp(id->model, "MODEL DISK") != 0) fake_fail("disk id: %s", id->model);
            if (id->n_sectors != b->port[i].disk.n_units * 512 / b->port[i].disk.logical_bytes)
                fake_fail("disk id: size");
            b->n_readers += bench_check_reader(id, b->port[i].disk.data, (uint32_t)b->port[i].disk.n_units);
            return b->port[i].policy;
        }
    fake_fail("disk id: serial '%s'", id->serial);
}

static void set_up_port(struct bench *b, unsigned p, const struct bench_options *o) {
    struct bench_port *port = &b->port[p];
    const struct dvi_policy *policy = p == 0 ? o->policy : NULL;
    uint32_t n = p == 0 && o->n_sectors ? o->n_sectors : BENCH_SECTORS;
    port->policy = policy;
    port->identified = true;
    ata_disk_init(&port->disk, n, p == 0 ? "QM00001" : "QM00002");
    port->plain = malloc((size_t)n * 512);
    if (!port->plain) fake_fail("out of memory");
    bench_fill(b, port->plain, (size_t)n * 512);
    bench_encode(policy, 0, port->plain, port->disk.data, n);
    ahci_model_plug(&b->m, p, &port->disk);
}

void bench_set_up_machine(struct bench *b, const struct bench_options *o) {
    memset(b, 0, sizeof *b);
    b->rng = o->seed * 2246822519u | 1;
    b->abar = BENCH_ABAR;
    b->bare = o->bare;
    fake_host_init(&b->f);
    if (o->slice_sectors) b->f.host.slice_sectors = o->slice_sectors;
    b->f.pending = o->pending;
    ahci_model_init(&b->m, &b->f, AHCI_MODEL_PORTS, o->seed);
    b->m.cr_lingers = o->seed & 1;
    b->m.auto_step = 50; /* the mediator polls */
    b->fn = ahci_model_attach(&b->m, BENCH_ABAR);
    for (unsigned p = 0; p < BENCH_PORTS; p++) set_up_port(b, p, o);
    if (!o->firmware_running) return;
    ahci_model_write(&b->m, W_GHC, 4, W_GHC_AE);
    for (unsigned p = 0; p < BENCH_PORTS; p++) bench_start_ports(b, p);
}

int bench_init_mediator(struct bench *b, size_t pool_bytes) {
    struct dvi_ahci_config config = {.cookie = b, .policy_for = policy_for, .pool_bytes = pool_bytes};
    int e = dvi_ahci_init(&b->a, &b->f.host, b->fn->bdf, &config);
    b->fn->must_trap = e == 0;
    return e;
}

void bench_set_up(struct bench *b, const struct bench_options *o) {
    bench_set_up_machine(b, o);
    int e = o->bare ? 0 : bench_init_mediator(b, o->pool_bytes ? o->pool_bytes : 64 * VMM_PAGE_BYTES);
    if (e) fake_fail("dvi_ahci_init: %d", e);
    b->m.auto_step = o->auto_step;
    if (o->firmware_running) return;
    bench_put(b, W_GHC, W_GHC_AE | W_GHC_IE);
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        bench_pput(b, p, W_SERR, UINT32_MAX);
        bench_pput(b, p, W_PxIS, UINT32_MAX);
        bench_pput(b, p, W_PxIE, UINT32_MAX);
        bench_start_ports(b, p);
    }
}

void bench_tear_down(struct bench *b) {
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        for (unsigned s = 0; s < 32; s++) {
            free(b->port[p].cmd[s].want);
            free(b->port[p].cmd[s].arena);
            free(b->port[p].cmd[s].pieces);
        }
        free(b->port[p].plain);
        ata_disk_free(&b->port[p].disk);
    }
    fake_host_free(&b->f);
}
