/* The hypervisor breaks a promise of its own, of the kind named on the command line; the runner reads its report. */
#include "gt.h"

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    gt_call(HOST_LOG, 271828, 0, 0);
    gt_call(HOST_BREAK, (uint64_t)(gt_args[0] - '0'), 0x1111222233334444, 0x5555666677778888);
    gt_print("FAIL panic: the hypervisor went on");
}
