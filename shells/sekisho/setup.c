/* see sekisho.h. Runs once, beneath the future guest. */
#include "sekisho.h"
#include <block/policy.h>
#include <block/resolve.h>
#include <crypt/wipe.h>
#include <crypt/xts.h>
#include <dvi/ahci.h>
#include <dvi/ata.h>
#include <dvi/pci.h>
#include <string.h>
#include "../machine/machine.h"

#define MAX_CONTROLLERS 4u                  /* of a kind */
#define POOL_BYTES      (UINT32_C(1) << 20) /* bounce memory of one controller */

#define SLICE_US     100u  /* for so long a processor encrypts or decrypts before it looks at what else there is */
#define MEASURE_US   2000u /* how fast that goes is found out in at least this time, for each key */
#define PAGE_SECTORS (VMM_PAGE_BYTES / DVI_UNIT_BYTES)

/* A key in use. One vector save area a key would not do: several processors may use it at once. */
struct key {
    struct crypt_xts xts;
    struct product *product;
};

struct product {
    struct machine machine;
    struct dvi_pci_guard guard;
    struct conf *conf; /* without key bytes after setup; names and matches stay */
    struct key key[CONF_KEYS_MAX];
    struct dvi_blk_transform transform[CONF_KEYS_MAX];
    struct dvi_policy policy[CONF_DISKS_MAX];
    bool found[CONF_DISKS_MAX];
    struct looked_up { /* a disk whose section names partitions, and its policy */
        struct dvi_disk_id id;
        struct dvi_policy policy;
    } looked_up[CONF_DISKS_MAX];
    unsigned n_looked_up;
    struct part_table table;   /* both for resolve() only */
    struct conf_disk resolved; /* ... which is too large for a stack */
    bool started, failed;      /* set-up is over; a sentence was said */
    struct sekisho_status status;
    uint8_t sample[8][VMM_PAGE_BYTES]; /* for measure_slice() only */
    struct dvi_ahci ahci[MAX_CONTROLLERS];
    struct dvi_ata ata[MAX_CONTROLLERS];
};

/* ---- keys ---- */

static void vector_begin(struct vmm_vector *v, const struct crypt_xts_kernel *kernel) {
    static const enum vmm_vector_width width[] = {[CRYPT_XMM] = VMM_XMM, [CRYPT_YMM] = VMM_YMM, [CRYPT_ZMM] = VMM_ZMM};
    vmm_vector_begin(v, width[kernel->clobbers]);
}

static void with_vectors(const struct crypt_xts *x,
                         void (*fn)(const struct crypt_xts *, uint64_t, const void *, void *, size_t), uint64_t unit,
                         const void *src, void *dst, size_t n_units) {
    struct vmm_vector saved;
    vector_begin(&saved, x->kernel);
    fn(x, unit, src, dst, n_units);
    vmm_vector_end(&saved);
}

static void key_encrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units) {
    const struct key *k = ctx;
    with_vectors(&k->xts, crypt_xts_encrypt, unit, src, dst, n_units);
}

static void key_decrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units) {
    const struct key *k = ctx;
    with_vectors(&k->xts, crypt_xts_decrypt, unit, src, dst, n_units);
}

/* The fastest that gives right answers. The firmware need not have enabled the wide registers: they are looked for as
 * they will be for each use. */
static const struct crypt_xts_kernel *choose_kernel(struct vmm *vmm) {
    struct vmm_vector saved;
    vmm_vector_begin(&saved, vmm_vector_widest());
    uint32_t features = crypt_cpu_features();
    const struct crypt_xts_kernel *kernel = crypt_xts_kernel_best(features);
    while (kernel != &crypt_xts_kernel_portable && !crypt_xts_kernel_works(kernel)) {
        vmm_log(vmm, "sekisho: this processor's %s instructions give wrong results: not used", kernel->name);
        features = crypt_xts_kernel_without(features, kernel);
        kernel = crypt_xts_kernel_best(features);
    }
    vmm_vector_end(&saved);
    return kernel;
}

/* How many sectors are encrypted in SLICE_US, a page at a time as by the mediators. */
static uint32_t measure_slice(struct product *p, const struct dvi_blk_transform *t) {
    struct vmm *vmm = p->machine.vmm;
    uint64_t start = vmm_now_us(vmm), us, n = 0;
    do {
        for (unsigned i = 0; i < sizeof p->sample / sizeof p->sample[0]; i++, n += PAGE_SECTORS)
            t->encrypt(t->ctx, n, p->sample[i], p->sample[i], PAGE_SECTORS);
        us = vmm_now_us(vmm) - start;
    } while (us < MEASURE_US);
    n = n * SLICE_US / us;
    return n > UINT16_MAX ? UINT16_MAX : n > DVI_SLICE_MIN ? (uint32_t)n : DVI_SLICE_MIN;
}

static int init_keys(struct product *p) {
    struct vmm_vector saved;
    struct conf *conf = p->conf;
    if (conf->n_keys == 0) return 0;
    const struct crypt_xts_kernel *kernel = choose_kernel(p->machine.vmm);
    int r = 0;
    for (unsigned i = 0; i < conf->n_keys && !r; i++) {
        vector_begin(&saved, kernel);
        r = crypt_xts_init(&p->key[i].xts, conf->key[i].bytes, conf->key[i].n_bytes, kernel);
        vmm_vector_end(&saved);
        crypt_wipe(conf->key[i].bytes, sizeof conf->key[i].bytes);
        p->transform[i] = (struct dvi_blk_transform){.ctx = &p->key[i], .encrypt = key_encrypt, .decrypt = key_decrypt};
        uint32_t slice = r ? DVI_SLICE_MIN : measure_slice(p, &p->transform[i]);
        if (slice < p->machine.host.slice_sectors) p->machine.host.slice_sectors = slice;
    }
    if (r)
        vmm_decline(p->machine.vmm, "a key of sekisho.conf cannot be used");
    else if (conf->n_keys)
        vmm_log(p->machine.vmm, "sekisho: AES-XTS by %s, in slices of %u sectors", kernel->name,
                p->machine.host.slice_sectors);
    return r;
}

/* ---- disks ---- */

static bool names_partition(const struct conf_disk *disk) {
    for (unsigned i = 0; i < disk->n_ranges; i++)
        if (conf_range_names_partition(&disk->range[i])) return true;
    return false;
}

/* What has read the disk's table and cannot go on is told by the first that fails. */
static void decline(struct product *p, const struct dvi_disk_id *id, const char *why) {
    if (!p->failed) vmm_decline(p->machine.vmm, "disk %s (serial %s): %s", id->model, id->serial, why);
    p->failed = true;
}

static bool read_sectors(void *ctx, uint64_t lba, uint32_t n_sectors, void *dst) {
    const struct dvi_disk_reader *r = ctx;
    for (uint32_t i = 0; i < n_sectors; i++)
        if (!r->read(r->ctx, lba + i, (uint8_t *)dst + (size_t)i * PART_SECTOR_BYTES)) return false;
    return true;
}

/* Look up the partitions that a section names on this disk. */
static void resolve(struct product *p, const struct conf_disk *section, const struct dvi_disk_id *id,
                    struct dvi_policy *out) {
    char text[CONF_MESSAGE_MAX];
    struct conf_error error;
    struct dvi_disk_reader reader = *id->reader;
    int r = part_parse(&(struct part_disk){read_sectors, &reader, id->n_sectors}, &p->table);
    if (!r && p->table.primary_error)
        vmm_log(p->machine.vmm, "sekisho: its partition table is damaged (%s): the backup counts",
                part_error_text(p->table.primary_error));
    if (resolve_disk(section, &p->table, &p->resolved, &error)) {
        conf_error_format(&error, "sekisho.conf", text, sizeof text);
        decline(p, id, text);
        return;
    }
    for (unsigned i = 0; i < p->resolved.n_ranges; i++) {
        if (!conf_range_names_partition(&p->resolved.range[i])) continue;
        resolve_describe(&p->resolved.range[i], &p->table, text, sizeof text);
        vmm_log(p->machine.vmm, "sekisho: %s", text);
    }
    policy_from_conf(&p->resolved, p->transform, out);
}

static bool is_same(const struct dvi_disk_id *a, const struct dvi_disk_id *b) {
    return !memcmp(&a->bdf, &b->bdf, sizeof a->bdf) && a->port == b->port && !strcmp(a->serial, b->serial) &&
           !strcmp(a->model, b->model) && a->n_sectors == b->n_sectors && a->sector_bytes == b->sector_bytes;
}

/* The policy of a disk whose section names partitions. It was looked up when the hypervisor started; what the guest has
 * written to the disk since does not count, and of a disk that was not there all is denied, by policy_from_conf. */
static const struct dvi_policy *partitions_policy(struct product *p, unsigned section, const struct dvi_disk_id *id) {
    struct looked_up *l;
    for (l = p->looked_up; l < p->looked_up + p->n_looked_up; l++)
        if (is_same(&l->id, id)) return &l->policy;
    if (p->started || p->n_looked_up == CONF_DISKS_MAX) return &p->policy[section];
    if (!id->reader) {
        decline(p, id, "its partitions cannot be read");
        return &p->policy[section];
    }
    p->n_looked_up++;
    *l = (struct looked_up){*id, p->policy[section]};
    resolve(p, &p->conf->disk[section], id, &l->policy);
    return &l->policy;
}

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    struct product *p = cookie;
    struct conf_disk_id who = {.bus = id->bdf.bus, .dev = id->bdf.dev, .fn = id->bdf.fn, .port = (uint8_t)id->port};
    memcpy(who.serial, id->serial, sizeof who.serial);
    memcpy(who.model, id->model, sizeof who.model);
    int i = conf_disk_find(p->conf, &who);
    if (!p->started) /* the guest can make this happen at any time */
        vmm_log(p->machine.vmm, "sekisho: disk %s (serial %s) on port %u: %s%s", id->model, id->serial, id->port,
                i < 0 ? "no section of sekisho.conf, clear" : "section ", i < 0 ? "" : p->conf->disk[i].name);
    if (i < 0) return NULL;
    if (!p->started) p->status.n_disks++;
    p->found[i] = true;
    return names_partition(&p->conf->disk[i]) ? partitions_policy(p, (unsigned)i, id) : &p->policy[i];
}

static int init_ahci(struct product *p, unsigned i, struct dvi_bdf at) {
    struct dvi_ahci_config config = {.cookie = p, .policy_for = policy_for, .pool_bytes = POOL_BYTES};
    return dvi_ahci_init(&p->ahci[i], &p->machine.host, at, &config);
}

static int init_ata(struct product *p, unsigned i, struct dvi_bdf at) {
    struct dvi_ata_config config = {.cookie = p, .policy_for = policy_for};
    return dvi_ata_init(&p->ata[i], &p->machine.host, at, &config);
}

static const struct controller {
    const char *name;
    uint32_t class_code, mask;
    int (*init)(struct product *p, unsigned i, struct dvi_bdf at);
} controllers[] = {{"AHCI", PCI_CLASS_SATA_AHCI, PCI_CLASS_ALL, init_ahci},
                   {"IDE", PCI_CLASS_IDE, PCI_CLASS_IDE_MASK, init_ata}};

static int init_kind(struct product *p, const struct controller *c) {
    struct vmm *vmm = p->machine.vmm;
    struct dvi_bdf at[MAX_CONTROLLERS];
    size_t n = dvi_pci_find(&p->machine.host, c->class_code, c->mask, at, MAX_CONTROLLERS);
    if (n > MAX_CONTROLLERS) {
        vmm_decline(vmm, "this machine has %u %s controllers, more than the %u supported", (unsigned)n, c->name,
                    MAX_CONTROLLERS);
        return -1;
    }
    for (unsigned i = 0; i < n; i++) {
        int r = dvi_pci_guard_path(&p->guard, at[i]);
        if (!r) r = c->init(p, i, at[i]);
        if (r) {
            vmm_decline(vmm, "the %s controller at %02x:%02x.%x could not be taken over (error %d)", c->name, at[i].bus,
                        at[i].dev, at[i].fn, r);
            return r;
        }
    }
    return 0;
}

static int init_controllers(struct product *p) {
    for (unsigned i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        int r = init_kind(p, &controllers[i]);
        if (r || p->failed) return -1;
    }
    for (unsigned i = 0; i < p->conf->n_disks; i++) {
        if (p->found[i]) continue;
        vmm_decline(p->machine.vmm, "no disk of this machine matches section [disk \"%s\"] of sekisho.conf",
                    p->conf->disk[i].name);
        return -1;
    }
    return 0;
}

/* The launch will be undone, and with it the memory that the controllers were given. */
static void release_controllers(struct product *p) {
    for (unsigned i = 0; i < MAX_CONTROLLERS; i++) dvi_ata_release(&p->ata[i]);
    for (unsigned i = 0; i < MAX_CONTROLLERS; i++)
        if (dvi_ahci_release(&p->ahci[i]))
            vmm_log(p->machine.vmm, "sekisho: an AHCI controller does not stop, its bus mastering stays off");
}

/* Here and not before launch, because firmware leaves pages of its memory unmapped, to guard stacks. */
static void forget_typed(const struct vmm *vmm, struct sekisho_settings *s) {
    for (uint32_t i = 0; i < s->n_kept_in; i++) {
        struct vmm_range r = s->kept_in[i];
        uint64_t skip = r.base ? 0 : VMM_PAGE_BYTES; /* page 0 is no memory here */
        void *p = vmm_gmem_borrow(vmm, gpa(r.base + skip), r.n_bytes - skip);
        if (p) (void)traces_wipe(&s->typed, p, r.n_bytes - skip);
    }
    crypt_wipe(&s->typed, sizeof s->typed);
}

int sekisho_setup(struct vmm *vmm, void *arg) {
    struct sekisho_settings *s = arg;
    struct product *p = vmm_alloc(vmm, sizeof *p);
    if (!p) {
        vmm_decline(vmm, "the reserved region is too small");
        return -1;
    }
    forget_typed(vmm, s);
    p->conf = &s->conf;
    if (machine_init(&p->machine, vmm, s->ecam, s->ecam_first_bus, s->ecam_last_bus) || init_keys(p)) return -1;
    for (unsigned i = 0; i < s->conf.n_disks; i++) policy_from_conf(&s->conf.disk[i], p->transform, &p->policy[i]);
    if (dvi_pci_guard_init(&p->guard, &p->machine.host)) {
        vmm_decline(vmm, "the host bridge's configuration space cannot be trapped");
        return -1;
    }
    sekisho_sleep_init(vmm, s);
    if (sekisho_a20_init(vmm) || sekisho_status_init(vmm, &p->status)) return -1;
    int r = init_controllers(p);
    if (r) release_controllers(p);
    p->started = true;
    return r;
}
