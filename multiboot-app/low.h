/* The block of conventional memory through which 64-bit code reaches the BIOS, and leaves for the next system. */
#ifndef MULTIBOOT_LOW_H
#define MULTIBOOT_LOW_H

#include <stddef.h>
#include <stdint.h>
#include "low_layout.h"

struct low_far32 {
    uint32_t offset;
    uint16_t selector;
    uint16_t rsvd_0x06;
};

/* BIOS Enhanced Disk Drive Specification 3.0, "Device Address Packet" */
struct low_packet {
    uint8_t n_bytes, rsvd_0x01;
    uint16_t n_sectors, offset, segment;
    uint64_t lba;
};
_Static_assert(sizeof(struct low_packet) == 16, "Device Address Packet");

struct low {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
    uint16_t ds, es;
    uint32_t eflags;
    uint8_t vector, way;
    uint16_t rsvd_0x26;
    uint32_t entry;
    uint32_t wipe_base, wipe_bytes; /* on leaving; whole dwords */
    uint32_t rsvd_0x34;
    uint64_t rsp, cr3, fs_base; /* of the caller */
    uint16_t real_offset, real_segment;
    struct low_far32 far32, far64;
    uint16_t rsvd_0x64;
    uint16_t gdt_limit;
    uint32_t gdt_base, gdt_base_high;
    uint64_t gdt[6];
    struct low_packet packet;                /* for the BIOS's disk services */
    uint32_t copy_from, copy_to, copy_bytes; /* on leaving to 32-bit code, after the wiping */
};
_Static_assert(offsetof(struct low, eflags) == LOW_EFLAGS && offsetof(struct low, entry) == LOW_ENTRY, "low.S");
_Static_assert(offsetof(struct low, wipe_bytes) == LOW_WIPE_BYTES && offsetof(struct low, rsp) == LOW_RSP, "low.S");
_Static_assert(offsetof(struct low, real_offset) == LOW_FAR_REAL && offsetof(struct low, far64) == LOW_FAR64, "low.S");
_Static_assert(offsetof(struct low, gdt_limit) == LOW_GDTR && offsetof(struct low, gdt) == LOW_GDT, "low.S");
_Static_assert(offsetof(struct low, packet) == LOW_PACKET && sizeof(struct low) <= LOW_CALL, "bios.c, low.S");
_Static_assert(offsetof(struct low, copy_from) == LOW_COPY_FROM && offsetof(struct low, copy_to) == LOW_COPY_TO &&
                   offsetof(struct low, copy_bytes) == LOW_COPY_BYTES,
               "low.S");

/* low.S, as it is copied to the block; struct low at its beginning is filled in there */
extern const uint8_t low_start[], low_end[], low_real[], low_in32[], low_in64[];

#endif
