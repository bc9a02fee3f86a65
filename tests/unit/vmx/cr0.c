/* MOV to CR0: each rule by itself. */
#include "vmx/vmx_cr0.h"
#include <criterion/criterion.h>

#define PE    UINT64_C(1)
#define WP    (UINT64_C(1) << 16)
#define NW    (UINT64_C(1) << 29)
#define CD    (UINT64_C(1) << 30)
#define PG    (UINT64_C(1) << 31)
#define PAE   (UINT64_C(1) << 5)
#define PCIDE (UINT64_C(1) << 17)
#define CET   (UINT64_C(1) << 23)
#define LME   (UINT64_C(1) << 8)
#define LMA   (UINT64_C(1) << 10)
#define L     0x200u

Test(vmx_cr0, rules) {
    static const struct {
        uint64_t old, v, cr4, efer;
        uint16_t cs;
        bool allowed;
    } rows[] = {
        {0, 0, 0, 0, 0, true},
        {0, PE, 0, 0, 0, true},
        {0, UINT64_C(1) << 32, 0, 0, 0, false},
        {PE, PE | PG, 0, 0, 0, true},
        {PE, PG, 0, 0, 0, false},
        {PE, PE | NW, 0, 0, 0, false},
        {PE, PE | CD, 0, 0, 0, true},
        {PE, PE | CD | NW, 0, 0, 0, true},
        {PE | WP, PE, CET, 0, 0, false},
        {PE | WP, PE | WP, CET, 0, 0, true},
        {PE, PE | PG, PAE, LME, 0, true},
        {PE, PE | PG, 0, LME, 0, false},
        {PE, PE | PG, PAE, LME, L, false},
        {PE | PG, PE, PAE, LME | LMA, 0, true},
        {PE | PG, PE, PAE, LME | LMA, L, false},
        {PE | PG, PE, PAE | PCIDE, LME | LMA, 0, false},
        {PE | PG, PE | PG | WP, PAE | PCIDE, LME | LMA, L, true},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(vmx_cr0_allowed(rows[i].old, rows[i].v, rows[i].cr4, rows[i].efer, rows[i].cs), rows[i].allowed,
                     "row %u", i);
}
