/* Log, time, symbols, and the bracket around vector registers. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"
#include "symbols.h"

/* ---- log.c ---- */

Test(vmm_log, lines_go_into_the_ring) {
    vmm_log(&guest.vmm, "%s %u", "one", 1u);
    vmm_log(&guest.vmm, "two");
    cr_assert_str_eq(guest.vmm.log, "one 1\ntwo\n");
    cr_assert_eq(fake_count(FAKE_OUT), 0);
}

Test(vmm_log, the_ring_wraps) {
    char line[101];
    memset(line, 'x', 100);
    line[100] = 0;
    for (unsigned i = 0; i < VMM_LOG_BYTES / 101 + 2; i++) {
        line[0] = (char)('a' + i % 26);
        vmm_log_line(&guest.vmm, line);
    }
    uint32_t end = guest.vmm.log_next;
    cr_assert_eq(end, (VMM_LOG_BYTES / 101 + 2) * 101);
    for (uint32_t i = 0; i < VMM_LOG_BYTES; i++) { /* the last characters written, whatever came before */
        uint32_t at = end - VMM_LOG_BYTES + i;
        char want = at % 101 == 100 ? '\n' : at % 101 == 0 ? (char)('a' + at / 101 % 26) : 'x';
        cr_assert_eq(guest.vmm.log[at % VMM_LOG_BYTES], want, "%u", at);
    }
}

Test(vmm_log, a_long_line_is_cut) {
    char line[400];
    memset(line, 'y', sizeof line - 1);
    line[sizeof line - 1] = 0;
    vmm_log(&guest.vmm, "%s", line);
    cr_assert_eq(guest.vmm.log_next, 200);
    cr_assert_eq(guest.vmm.log[199], '\n');
}

Test(vmm_log, serial) {
    guest.vmm.serial_port = 0x3f8;
    fake_hw.in_value = 0x20; /* the transmitter is empty */
    vmm_log(&guest.vmm, "ab");
    static const char sent[] = "ab\r\n";
    cr_assert_eq(fake_count(FAKE_OUT), 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(fake_nth(FAKE_OUT, i)->at == 0x3f8 && fake_nth(FAKE_OUT, i)->value == (uint8_t)sent[i]);
        cr_assert_eq(fake_nth(FAKE_IN, i)->at, 0x3fd);
    }
    fake_hw.in_value = 0; /* nobody there: it must not hang */
    vmm_log(&guest.vmm, "c");
    cr_assert_gt(fake_hw.n_pauses, 1000);
}

Test(vmm_log, time) {
    static const struct {
        uint64_t hz, tsc, us;
    } rows[] = {{1000000, 5, 5},          {3000000000, 3000000000, 1000000},          {2400000000, 2400, 1},
                {0, 2000000000, 1000000}, {2400000000, UINT64_MAX, 7686143364045646}, {999999999, 999999998, 999999}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        guest.vmm.tsc_hz = rows[i].hz;
        fake_hw.tsc = rows[i].tsc;
        cr_assert_eq(vmm_now_us(&guest.vmm), rows[i].us, "row %u: %lu", i, vmm_now_us(&guest.vmm));
    }
}

Test(vmm_log, time_since_a_moment) {
    guest.vmm.tsc_hz = 3000000000;
    fake_hw.tsc = 7500000000;
    cr_assert_eq(vmm_us_since(&guest.vmm, 6000000000), 500000);
    cr_assert_eq(vmm_us_since(&guest.vmm, 0), 2500000, "0: since power-on");
}

Test(vmm_log, why_setup_declined) {
    vmm_decline(&guest.vmm, "no disk %u", 3u);
    cr_assert_str_eq(guest.vmm.why, "no disk 3");
}

/* ---- symbols.c ---- */

const char vmm_symbol_names[] = "first\0second\0third";
const struct vmm_symbol vmm_symbols[] = {{0x100, 0}, {0x180, 6}, {0x1000, 13}};
const uint32_t vmm_n_symbols = 3;

Test(vmm_symbols, find) {
    static const struct {
        uint32_t at;
        const char *name;
        uint32_t offset;
    } rows[] = {
        {0, "?", 0},          {0xff, "?", 0xff},        {0x100, "first", 0},  {0x17f, "first", 0x7f},
        {0x180, "second", 0}, {0xfff, "second", 0xe7f}, {0x1000, "third", 0}, {UINT32_MAX, "third", 0xffffefff}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t offset = 0x5a;
        cr_assert_str_eq(vmm_symbol_find(rows[i].at, &offset), rows[i].name, "row %u", i);
        cr_assert_eq(offset, rows[i].offset, "row %u", i);
    }
}

/* ---- vector.c ---- */

#define EM_TS      0xcu
#define OSFXSR     0x200u
#define OSXSAVE    0x40000u
#define CPU_NORMAL 0x80050033u

static struct vmm_vector v;

static const struct fake_effect *nth(unsigned i) {
    cr_assert_lt(i, fake_hw.n_log);
    return &fake_hw.log[i];
}

Test(vmm_vector, xmm_with_everything_enabled) {
    fake_hw.cr[0] = CPU_NORMAL;
    fake_hw.cr[4] = OSFXSR;
    vmm_vector_begin(&v, VMM_XMM);
    vmm_vector_end(&v);
    cr_assert_eq(fake_hw.n_log, 2);
    cr_assert(nth(0)->kind == FAKE_XMM_SAVE && nth(1)->kind == FAKE_XMM_RESTORE && nth(0)->at == nth(1)->at);
}

Test(vmm_vector, xmm_where_the_guest_has_them_disabled) {
    for (uint64_t bits = 4; bits <= EM_TS; bits += 4) {
        fake_hw.n_log = 0;
        fake_hw.cr[0] = CPU_NORMAL | bits;
        fake_hw.cr[4] = 0;
        vmm_vector_begin(&v, VMM_XMM);
        cr_assert_eq(fake_hw.cr[0], CPU_NORMAL);
        cr_assert_eq(fake_hw.cr[4], OSFXSR);
        cr_assert_eq(nth(fake_hw.n_log - 1)->kind, FAKE_XMM_SAVE);
        vmm_vector_end(&v);
        cr_assert_eq(fake_hw.cr[0], CPU_NORMAL | bits);
        cr_assert_eq(fake_hw.cr[4], 0);
        for (unsigned i = 0; i < fake_hw.n_log; i++) /* only while they may be touched */
            if (nth(i)->kind == FAKE_XMM_RESTORE) cr_assert_eq(fake_nth(FAKE_CR, 2)->value, CPU_NORMAL | bits);
    }
}

Test(vmm_vector, ymm) {
    static const struct {
        uint64_t guest, in_between, mask;
    } rows[] = {{1, 7, 6}, {3, 7, 6}, {7, 7, 6}, {0xe7, 0xe7, 0x46}, {0x207, 0x207, 6}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_hw.n_log = 0;
        fake_hw.cr[0] = CPU_NORMAL;
        fake_hw.cr[4] = i ? OSFXSR | OSXSAVE : OSFXSR;
        fake_hw.xcr0 = rows[i].guest;
        memset(v.area, 0x5a, sizeof v.area); /* XRSTOR refuses a header that is not clean */
        vmm_vector_begin(&v, VMM_YMM);
        cr_assert_eq(fake_hw.xcr0, rows[i].in_between, "row %u", i);
        cr_assert_eq(fake_hw.cr[4], OSFXSR | OSXSAVE);
        vmm_vector_end(&v);
        cr_assert_eq(fake_hw.xcr0, rows[i].guest, "row %u", i);
        cr_assert_eq(fake_hw.cr[4], i ? OSFXSR | OSXSAVE : OSFXSR);
        cr_assert_eq(fake_nth(FAKE_XSAVE, 0)->value, rows[i].mask, "row %u", i);
        cr_assert_eq(fake_nth(FAKE_XRSTOR, 0)->value, rows[i].mask);
    }
}

Test(vmm_vector, zmm) {
    static const uint64_t guests[] = {1, 3, 7, 0xe7, 0x2e7};
    for (unsigned i = 0; i < sizeof guests / sizeof guests[0]; i++) {
        fake_hw.n_log = 0;
        fake_hw.cr[0] = CPU_NORMAL;
        fake_hw.cr[4] = OSFXSR;
        fake_hw.xcr0 = guests[i];
        memset(v.area, 0x5a, sizeof v.area);
        vmm_vector_begin(&v, VMM_ZMM);
        cr_assert_eq(fake_hw.xcr0, guests[i] | 0xe7, "row %u", i);
        cr_assert_eq(fake_hw.cr[4], OSFXSR | OSXSAVE);
        vmm_vector_end(&v);
        cr_assert_eq(fake_hw.xcr0, guests[i], "row %u", i);
        cr_assert_eq(fake_hw.cr[4], OSFXSR);
        cr_assert_eq(fake_nth(FAKE_XSAVE, 0)->value, 0xe6);
        cr_assert_eq(fake_nth(FAKE_XRSTOR, 0)->value, 0xe6);
    }
}

/* Offsets and sizes of opmasks, upper halves and ZMM16-31: of Intel's processors, of AMD's, and beyond the area. */
Test(vmm_vector, widest) {
    static const struct {
        uint32_t ecx1, max_leaf, ebx7, xcr0, offset[3];
        enum vmm_vector_width width;
    } rows[] = {
        {0, 0x10, 0, 0, {0}, VMM_XMM},
        {1u << 26, 0x10, 0, 7, {0}, VMM_XMM},
        {1u << 28, 0x10, 1u << 16, 0xe7, {1088, 1152, 1664}, VMM_XMM},
        {5u << 26, 0x10, 0, 7, {0}, VMM_YMM},
        {5u << 26, 0x10, 0, 0xe7, {1088, 1152, 1664}, VMM_YMM},
        {5u << 26, 0x10, 1u << 16, 0x67, {1088, 1152, 1664}, VMM_YMM},
        {5u << 26, 0xc, 1u << 16, 0xe7, {1088, 1152, 1664}, VMM_YMM},
        {5u << 26, 0x10, 1u << 16, 0xe7, {1088, 1152, 1664}, VMM_ZMM},
        {5u << 26, 0x10, 1u << 16, 0x2e7, {832, 896, 1408}, VMM_ZMM},
        {5u << 26, 0x10, 1u << 16, 0xe7, {1088, 1152, 1728}, VMM_ZMM},
        {5u << 26, 0x10, 1u << 16, 0xe7, {1088, 1152, 1792}, VMM_YMM},
        {5u << 26, 0x10, 1u << 16, 0xe7, {2720, 1152, 1664}, VMM_YMM},
    };
    static const uint32_t n_bytes[] = {64, 512, 1024};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_cpuid(0, 0, (struct hw_cpuid){.eax = rows[i].max_leaf});
        fake_cpuid(1, 0, (struct hw_cpuid){.ecx = rows[i].ecx1});
        fake_cpuid(7, 0, (struct hw_cpuid){.ebx = rows[i].ebx7});
        fake_cpuid(0xd, 0, (struct hw_cpuid){.eax = rows[i].xcr0});
        for (uint32_t c = 0; c < 3; c++)
            fake_cpuid(0xd, 5 + c, (struct hw_cpuid){.eax = n_bytes[c], .ebx = rows[i].offset[c]});
        cr_assert_eq(vmm_vector_widest(), rows[i].width, "row %u", i);
    }
}

/* ---- vcpu.c: what is asked through it ---- */

Test(vmm_vcpu, devices_and_ports_untrapped) {
    guest_start();
    vmm_device_write(hpa(GUEST_DEVICE + 8), 4, 0x11223344);
    cr_assert_eq(vmm_device_read(hpa(GUEST_DEVICE + 8), 2), 0x3344);
    fake_hw.in_value = 0x77;
    cr_assert_eq(vmm_port_read(0x70, 1), 0x77);
    vmm_port_write(0x71, 2, 0x1234);
    cr_assert(fake_nth(FAKE_OUT, 0)->at == 0x71 && fake_nth(FAKE_OUT, 0)->n_bytes == 2);
}

Test(vmm_vcpu, mode_of_the_code_segment) {
    static const struct {
        uint64_t efer;
        uint16_t attrib;
        enum vmm_insn_mode mode;
    } rows[] = {{0x400, 0x29b, VMM_INSN_64}, {0x400, 0x49b, VMM_INSN_32}, {0x400, 0x09b, VMM_INSN_16},
                {0, 0x29b, VMM_INSN_16},     {0, 0x49b, VMM_INSN_32},     {0x100, 0x69b, VMM_INSN_32}};
    guest_start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        guest.vcpu[3].at.efer = rows[i].efer;
        guest.vcpu[3].at.cs_attrib = rows[i].attrib;
        cr_assert_eq(vmm_mode(&guest.vcpu[3]), rows[i].mode, "row %u", i);
    }
    cr_assert_eq(vmm_cpu_index(&guest.vcpu[3]), 3);
    cr_assert_eq(vmm_of(&guest.vcpu[3]), &guest.vmm);
}
