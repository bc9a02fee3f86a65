/* Joins mediators to the hypervisor: a struct dvi_host made of libvmm's functions, and the traps of PCI configuration
 * space, which libvmm, knowing no device, does not have. Wiring only. Source: PCI Local Bus
 * Specification 3.0, 3.2.2.3.2 "Software Generation of Configuration Transactions"; PCI Express Base
 * Specification 4.0, 7.2.2 "PCI Express Enhanced Configuration Access Mechanism (ECAM)". */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <dvi/host.h>
#include <vmm/lock.h>
#include <vmm/vmm.h>

#define MACHINE_MAX_TRAPS 24u

struct machine_trap {
    struct machine *machine;
    struct dvi_bdf bdf;  /* PCI traps */
    uint16_t first_port; /* port traps */
    dvi_trap_fn *fn;
    void *cookie;
};

struct machine {
    struct vmm *vmm;
    struct dvi_host host; /* what mediators get; ctx is this machine */
    uint64_t ecam;        /* [I] address of bus 0 in the ECAM window, 0 if there is none */
    uint32_t ecam_first_bus, ecam_last_bus;
    struct vmm_lock pci_lock; /* the address and data ports of the machine */
    uint32_t guest_address;   /* [L pci_lock] what the guest last wrote to CF8h */
    struct machine_trap mmio[MACHINE_MAX_TRAPS], pio[MACHINE_MAX_TRAPS], pci[MACHINE_MAX_TRAPS];
    uint32_t n_mmio, n_pio, n_pci;
};

/* Setup only. ecam: 0 where the machine has none. 0 or a negative enum vmm_error. */
int machine_init(struct machine *m, struct vmm *vmm, uint64_t ecam, uint32_t first_bus,
                 uint32_t last_bus) VMM_MUST_CHECK;

/* pci.c */
int machine_pci_init(struct machine *m) VMM_MUST_CHECK;
uint32_t machine_pci_read(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes);
void machine_pci_write(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value);
int machine_pci_trap(void *ctx, struct dvi_bdf bdf, dvi_trap_fn *fn, void *cookie);

#endif
