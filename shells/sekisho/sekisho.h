/* The product: which mediators, which policy, which keys. */
#ifndef SEKISHO_SEKISHO_H
#define SEKISHO_SEKISHO_H

#include <conf/conf.h>
#include <vmm/vmm.h>
#include "traces.h"

/* What the application hands down; holds keys, so wiped by both sides once used. */
struct sekisho_settings {
    struct conf conf;
    uint64_t ecam; /* address of bus 0 of PCI segment 0, 0 if there is none */
    uint32_t ecam_first_bus, ecam_last_bus;
    uint16_t pm1a, pm1b;      /* ports of the PM1 control registers; 0: none, or not known */
    uint8_t s5_pm1a, s5_pm1b; /* SLP_TYP that switches the machine off */
    struct traces typed;      /* to be wiped where drivers keep it: */
    struct vmm_range kept_in[VMM_MAX_RAM];
    uint32_t n_kept_in;
};

/* For struct vmm_launch.setup; arg is a struct sekisho_settings. */
int sekisho_setup(struct vmm *vmm, void *arg);

/* Refuse every sleep but power-off: after one, processors would start in the guest's code, outside, with keys in RAM.
 * Where the ports are not known or taken, a line of the log says that nothing guards them. Context: setup; once. */
void sekisho_sleep_init(struct vmm *vmm, const struct sekisho_settings *settings);

/* Keep address line 20 on, which a PC's guest can switch off: a processor that obeys would then find the hypervisor's
 * own memory in the wrong place. (Intel's do not in VMX operation, and not every AMD can be told not to.) The price is
 * an exit for each access to the keyboard controller. 0 or negative, and then set-up has been declined. Context: setup;
 * once. Source: Intel SDM Volume 3C, 23.8 "Restrictions on VMX Operation"; APM Volume 2, 15.30.1 "VM_CR MSR". */
int sekisho_a20_init(struct vmm *vmm);

/* Let the guest's kernel ask what runs below, in the registers of status_regs.h: root only, because code above
 * privilege level 0 has its #GP first. Writes, and registers that mean nothing, give #GP. *status stays the caller's to
 * fill, and lives as long as the guest. 0 or negative, and then set-up has been declined. Context: setup; once. */
struct sekisho_status {
    uint64_t started_us;
    uint32_t n_disks; /* [I] */
};
int sekisho_status_init(struct vmm *vmm, struct sekisho_status *status);

#endif
