/* Mediate every AHCI controller: the first MiB of each disk stays clear, the rest is encrypted. host: filled in by the
 * program, with libvmm's functions beneath a guest. */
#include <dvi/ahci.h>
#include <dvi/pci.h>
#include <dvi/policy.h>

#define MAX_CONTROLLERS 4u
#define FIRST_LBA       2048u

struct disks {
    struct dvi_policy policy;
    struct dvi_pci_guard guard;
    struct dvi_ahci ahci[MAX_CONTROLLERS];
};

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    const struct disks *disks = cookie;
    (void)id; /* its model, serial number and port could decide; NULL would mean: all clear */
    return &disks->policy;
}

int mediate_disks(struct disks *disks, const struct dvi_host *host, const struct dvi_blk_transform *transform);

int mediate_disks(struct disks *disks, const struct dvi_host *host, const struct dvi_blk_transform *transform) {
    struct dvi_bdf at[MAX_CONTROLLERS];
    struct dvi_ahci_config config = {.cookie = disks, .policy_for = policy_for, .pool_bytes = 1u << 20};
    disks->policy = (struct dvi_policy){.n_ranges = 1};
    disks->policy.range[0] = (struct dvi_range){
        .first_lba = FIRST_LBA, .end_lba = UINT64_MAX, .action = DVI_ENCRYPT, .transform = transform};
    int r = dvi_pci_guard_init(&disks->guard, host);
    size_t n = dvi_pci_find(host, PCI_CLASS_SATA_AHCI, PCI_CLASS_ALL, at, MAX_CONTROLLERS);
    if (n > MAX_CONTROLLERS) return DVI_E_CONFIG;
    for (size_t i = 0; i < n && !r; i++) r = dvi_ahci_init(&disks->ahci[i], host, at[i], &config);
    return r;
}
