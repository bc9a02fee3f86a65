/* The hypervisor below the test guests: libvmm, and one trap of every kind that a guest can talk to. See host.h. */
#include "host.h"
#include <hw.h>
#include <string.h>
#include <vmm/vmm.h>
#include <vmm_uefi.h>
#include "host_break.h"

#define REGION_BYTES (UINT64_C(8) << 20)
#define MAX_CPUS     8

/* Copied into the region by vmm_launch(); from then on the only state there is. Guests that use the model from several
 * processors at once get what they deserve: no locks. */
static struct host {
    struct vmm_range region;
    uint64_t low_page;
    uint8_t mmio[HOST_MMIO_BYTES];
    uint8_t ports[HOST_PORTS];
    uint64_t msr[2];
    enum vmm_verdict verdict;
    struct vmm_access last;
    uint64_t n_accesses;
    int pass_handle;
} host;

/* ---- traps ---- */

static void note(const struct vmm_access *a) {
    host.last = *a;
    __atomic_fetch_add(&host.n_accesses, 1, __ATOMIC_RELAXED);
}

static enum vmm_verdict mmio(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)vcpu;
    uint8_t *at = (uint8_t *)cookie + (a->addr - HOST_MMIO);
    if (a->write)
        memcpy(at, &a->value, a->n_bytes);
    else
        memcpy(&a->value, at, a->n_bytes);
    note(a);
    return VMM_HANDLED;
}

static enum vmm_verdict pass(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)vcpu, (void)cookie;
    note(a);
    return VMM_PASS;
}

/* Keep or give what was written, unless the guest has ordered another verdict. */
static enum vmm_verdict latch(struct vmm_vcpu *vcpu, void *at, struct vmm_access *a) {
    if (host.verdict == VMM_HANDLED && a->write) memcpy(at, &a->value, a->n_bytes);
    if (host.verdict == VMM_HANDLED && !a->write) memcpy(&a->value, at, a->n_bytes);
    if (host.verdict == VMM_INJECT) vmm_inject(vcpu, 13, 0x1234);
    note(a);
    return host.verdict;
}

static enum vmm_verdict port(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    uint64_t offset = a->addr - HOST_PORT; /* a wide access may begin below the first port or end behind the last */
    if (offset + a->n_bytes > HOST_PORTS) {
        note(a);
        return VMM_SKIP;
    }
    return latch(vcpu, (uint8_t *)cookie + offset, a);
}

static void leaf(struct vmm_vcpu *vcpu, void *cookie, struct vmm_cpuid *r) {
    (void)cookie;
    r->eax = ~r->leaf, r->ebx = r->subleaf, r->ecx = vmm_cpu_index(vcpu), r->edx = HOST_MAGIC;
}

/* ---- hypercalls ---- */

static uint64_t segment(const struct vmm_vcpu *vcpu, uint64_t name, uint64_t what) {
    struct vmm_segment s = vmm_segment_get(vcpu, (enum vmm_segment_name)name);
    return what == 0 ? s.base : what == 1 ? s.limit : (uint64_t)s.attrib << 16 | s.selector;
}

static uint64_t where(uint64_t what) {
    return what == 0 ? host.region.base : what == 1 ? host.region.n_bytes : what == 2 ? host.low_page : MAX_CPUS;
}

static uint64_t last(uint64_t what) {
    const uint64_t by_what[] = {host.last.addr, host.last.value, host.last.n_bytes, host.last.write, host.n_accesses};
    return what < 5 ? by_what[what] : 0;
}

static uint64_t guest_memory(struct vmm_vcpu *vcpu, uint64_t at, uint64_t *value, bool write) {
    int r = write ? vmm_gmem_write(vmm_of(vcpu), gpa(at), value, sizeof *value)
                  : vmm_gmem_read(vmm_of(vcpu), gpa(at), value, sizeof *value);
    return (uint64_t)(int64_t)r;
}

static uint64_t copy_model(struct vmm_vcpu *vcpu, uint64_t at, bool to_guest) {
    int r = to_guest ? vmm_gmem_write(vmm_of(vcpu), gpa(at), host.mmio, sizeof host.mmio)
                     : vmm_gmem_read(vmm_of(vcpu), gpa(at), host.mmio, sizeof host.mmio);
    return (uint64_t)(int64_t)r;
}

static void clobber(enum vmm_vector_width width) {
    static struct vmm_vector v;
    vmm_vector_begin(&v, width);
    host_clobber(width);
    vmm_vector_end(&v);
}

static void spin(const struct vmm *vmm, uint64_t us) {
    for (uint64_t end = vmm_now_us(vmm) + us; vmm_now_us(vmm) < end;) hw_pause();
}

static enum vmm_verdict answer(struct vmm_vcpu *vcpu, struct vmm_access *a, uint64_t value) {
    (void)vcpu;
    a->value = value;
    return VMM_HANDLED;
}

static uint64_t reg(struct vmm_vcpu *vcpu, enum vmm_reg name, bool set, uint64_t value) {
    if (set) vmm_reg_set(vcpu, name, value);
    return vmm_reg_get(vcpu, name);
}

static uint64_t count(const struct vmm *vmm, uint64_t kind) {
    uint64_t exits[VMM_N_EXITS];
    vmm_stats(vmm, exits);
    return kind < VMM_N_EXITS ? exits[kind] : 0;
}

static uint64_t translate(struct vmm_vcpu *vcpu, uint64_t linear) {
    gpa_t at;
    return vmm_translate(vcpu, linear, &at) ? UINT64_MAX : at.v;
}

static enum vmm_verdict call(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    struct vmm *vmm = vmm_of(vcpu);
    uint64_t b = vmm_reg_get(vcpu, VMM_RBX), c = vmm_reg_get(vcpu, VMM_RCX), d = vmm_reg_get(vcpu, VMM_RDX);
    switch (a->addr - HOST_CALL) {
    case HOST_PING: return answer(vcpu, a, HOST_MAGIC + vmm_cpu_index(vcpu));
    case HOST_WHERE: return answer(vcpu, a, where(b));
    case HOST_STAT: return answer(vcpu, a, count(vmm, b));
    case HOST_REG: return answer(vcpu, a, reg(vcpu, (enum vmm_reg)b, c != 0, d));
    case HOST_SEGMENT: return answer(vcpu, a, segment(vcpu, b, c));
    case HOST_TRANSLATE: return answer(vcpu, a, translate(vcpu, b));
    case HOST_GMEM: {
        uint64_t r = guest_memory(vcpu, b, &c, d != 0);
        vmm_reg_set(vcpu, VMM_RCX, c);
        return answer(vcpu, a, r);
    }
    case HOST_INJECT: vmm_inject(vcpu, (unsigned)b, (uint32_t)c); return VMM_INJECT;
    case HOST_SPIN: spin(vmm, b); break;
    case HOST_CLOBBER: clobber((enum vmm_vector_width)b); break;
    case HOST_BREAK: host_break(vcpu, (unsigned)b); break;
    case HOST_VERDICT: host.verdict = (enum vmm_verdict)b; break;
    case HOST_LAST: return answer(vcpu, a, last(b));
    case HOST_MMIO_GET: return answer(vcpu, a, copy_model(vcpu, b, true));
    case HOST_MMIO_PUT: return answer(vcpu, a, copy_model(vcpu, b, false));
    case HOST_MOVE: return answer(vcpu, a, (uint64_t)(int64_t)vmm_mmio_move(vmm, host.pass_handle, gpa(b)));
    case HOST_LOG: vmm_log(vmm, "host: the guest says %lu", b); break;
    default: return VMM_PASS;
    }
    return answer(vcpu, a, 0);
}

static enum vmm_verdict user_call(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    return answer(vcpu, a, HOST_MAGIC + vmm_cpl(vcpu));
}

static int setup(struct vmm *vmm, void *arg) {
    memcpy(&host, arg, sizeof host);
    host.pass_handle = vmm_mmio_trap(vmm, gpa(HOST_PASS), VMM_PAGE_BYTES, pass, NULL);
    if (host.pass_handle < 0 || vmm_mmio_trap(vmm, gpa(HOST_MMIO), HOST_MMIO_BYTES, mmio, host.mmio) < 0 ||
        vmm_pio_trap(vmm, HOST_PORT, HOST_PORTS, port, host.ports) ||
        vmm_msr_trap(vmm, HOST_MSR, 1, latch, &host.msr[0]) ||
        vmm_msr_trap(vmm, HOST_MSR_OUTSIDE, 1, latch, &host.msr[1]) ||
        vmm_cpuid_hook(vmm, HOST_LEAF, HOST_LEAVES, leaf, NULL) ||
        vmm_hypercall_hook(vmm, HOST_CALL, HOST_CALLS, 0, call, NULL) ||
        vmm_hypercall_hook(vmm, HOST_USER, 1, 3, user_call, NULL)) {
        vmm_decline(vmm, "host: a trap was refused");
        return VMM_E_BUSY;
    }
    return 0;
}

/* ---- start ---- */

/* "host.efi unknown": as if no table told how many processors there may be. */
static bool knows_processors(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    void *p;
    if (EFI_ERROR(st->BootServices->HandleProtocol(image, &guid, &p))) return true;
    const EFI_LOADED_IMAGE *loaded = p;
    const CHAR16 *options = loaded->LoadOptions;
    for (unsigned i = 0; i < loaded->LoadOptionsSize / sizeof *options; i++)
        if (options[i] == 'u') return false;
    return true;
}

static EFI_STATUS run(struct vmm_uefi *uefi, bool knows, const char **why) {
    struct vmm_launch launch;
    if (vmm_uefi_prepare(uefi, REGION_BYTES, &launch, why)) return EFI_OUT_OF_RESOURCES;
    host = (struct host){
        .region = {launch.region.v, launch.region_bytes}, .low_page = launch.low_page.v, .verdict = VMM_HANDLED};
    launch.max_cpus = MAX_CPUS;
    launch.n_possible = knows ? 1 : 0; /* or as many as the firmware has */
    launch.serial_port = 0x3f8;
    launch.setup = setup;
    launch.arg = &host;
    launch.arg_bytes = sizeof host;
    if (!vmm_uefi_launch(uefi, &launch, why)) return EFI_SUCCESS;
    vmm_uefi_undo(uefi, &launch);
    return EFI_UNSUPPORTED;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);

__attribute__((no_stack_protector)) EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    static struct vmm_uefi uefi;
    const char *why = "";
    vmm_uefi_begin(&uefi, st);
    EFI_STATUS status = run(&uefi, knows_processors(image, st), &why);
    vmm_uefi_end(&uefi);
    for (const char *p = why; status && *p; p++) st->ConOut->OutputString(st->ConOut, (CHAR16[]){(CHAR16)*p, 0});
    return status;
}
