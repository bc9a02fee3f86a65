/* What a tick of the local timer costs: nothing where every processor of the machine runs below and an INIT can be
 * held; elsewhere an exit for each write, so that no start-up IPI goes unseen; in x2APIC mode never. Argument: how many
 * processors there are. */
#include "gt.h"

#define TICKS 1000u

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    bool open = gt_args[0] == '1' || gt_holds_init();
    for (const char *p = gt_args; *p; p++) open = open && *p != 'u'; /* "unknown" */
    uint64_t n = gt_ticks(TICKS);
    gt_check(open || gt_x2apic ? n == 0 : n >= TICKS && n != UINT64_MAX,
             open || gt_x2apic ? "ticks cause no exit" : "ticks are seen", "%lu exits in %u ticks", n, TICKS);
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
