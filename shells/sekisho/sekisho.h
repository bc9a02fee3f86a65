/* The product: which mediators, which policy, which keys. */
#ifndef SEKISHO_SEKISHO_H
#define SEKISHO_SEKISHO_H

#include <conf/conf.h>
#include <vmm/vmm.h>

/* What the application hands down; holds keys, so wiped by both sides once used. */
struct sekisho_settings {
    struct conf conf;
    uint64_t ecam; /* address of bus 0 of PCI segment 0, 0 if there is none */
    uint32_t ecam_first_bus, ecam_last_bus;
};

/* For struct vmm_launch.setup; arg is a struct sekisho_settings. */
int sekisho_setup(struct vmm *vmm, void *arg);

#endif
