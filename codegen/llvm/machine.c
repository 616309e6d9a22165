#include "machine.h"
#include "load.h"
#include "shim.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Vectors are explicit and loops are printed rotated, so little is left to find: registers for locals, common
 * subexpressions, invariant code. */
#define CLEAN "early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg"
static const char pipeline[] = "function(sroa," CLEAN ",loop-mssa(licm)," CLEAN ")",
                  assembled_pipeline[] = "function(sroa," CLEAN "," CLEAN ")";

typedef enum { RUNNING, DONE, FATAL } job_state;

/* Owned by the caller until it waits for it; by nobody once its thread is parked. */
typedef struct job {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job_state state;
    char reason[1024]; /* why it failed; empty when it did not */
    const machine_spec *spec;
    target_form form;
    void (*print)(printer *p, void *u);
    void *u;
    arena *a;
    const char *print_error;
    char *text;               /* LLVM's, for TARGET_LLVM */
    LLVMMemoryBufferRef buffer; /* for the other forms */
} job;

static _Thread_local job *current; /* LLVM's fatal-error handler carries no context */

static void end_job(job *j, job_state s) {
    pthread_mutex_lock(&j->lock);
    j->state = s;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

static void set_reason(job *j, const char *text) {
    if (j->reason[0]) return;
    strncpy(j->reason, text, sizeof j->reason - 1);
    if (!j->reason[0]) strcpy(j->reason, "unknown reason");
}

_Noreturn void machine_fatal(const char *reason) {
    set_reason(current, reason);
    end_job(current, FATAL);
    for (;;) pause();
}

/* A handler that returns would have LLVM end the process. */
static void on_fatal(const char *reason) {
    if (current) machine_fatal(reason);
}

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *u) {
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(info);
    set_reason(u, text);
    LLVMDisposeMessage(text);
}

static void initialize(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTarget();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUAsmPrinter();
    LLVMInitializeAMDGPUAsmParser(); /* hip/amdgcn.c writes instructions of gfx950 that an older LLVM orders wrongly */
    LLVMInstallFatalErrorHandler(on_fatal);
}

static bool initialize_once(const char **error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!llvm_load(error)) return false;
    pthread_once(&once, initialize);
    return true;
}

int machine_llvm_version(void) { return LLVM_VERSION_MAJOR; }

void machine_function_attributes(const machine_spec *spec, LLVMValueRef fn) {
    shim_string_attribute(fn, "target-cpu", spec->cpu);
    if (spec->features[0]) shim_string_attribute(fn, "target-features", spec->features);
    shim_string_attribute(fn, "no-builtins", "");
    shim_string_attribute(fn, "no-jump-tables", "true");
    shim_enum_attribute(fn, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
    char bits[16];
    int n = spec->vector_bits, k = 0;
    if (!n) return;
    if (n >= 100) bits[k++] = (char)('0' + n / 100);
    bits[k++] = (char)('0' + n / 10 % 10);
    bits[k++] = (char)('0' + n % 10);
    bits[k] = 0;
    shim_string_attribute(fn, "prefer-vector-width", bits);
}

/* ------------ what the job's thread does */
static LLVMTargetMachineRef new_machine(job *j) {
    LLVMTargetRef t;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(j->spec->triple, &t, &message)) {
        set_reason(j, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    return LLVMCreateTargetMachine(t, j->spec->triple, j->spec->cpu, j->spec->features, LLVMCodeGenLevelDefault,
                                   LLVMRelocPIC, j->spec->tiny ? LLVMCodeModelTiny : LLVMCodeModelSmall);
}

static bool take_message(job *j, bool failed, char *message) {
    if (failed) set_reason(j, message ? message : "unknown reason");
    if (message) LLVMDisposeMessage(message);
    return !failed;
}

static bool optimize(job *j, LLVMModuleRef m, LLVMTargetMachineRef tm) {
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMErrorRef e = LLVMRunPasses(m, j->spec->assembled ? assembled_pipeline : pipeline, tm, o);
    LLVMDisposePassBuilderOptions(o);
    if (!e) return true;
    char *text = LLVMGetErrorMessage(e);
    set_reason(j, text);
    LLVMDisposeErrorMessage(text);
    return false;
}

static void finish(job *j, LLVMModuleRef m, LLVMTargetMachineRef tm) {
    char *message = NULL;
    bool wrong = LLVMVerifyModule(m, LLVMReturnStatusAction, &message);
    if (!take_message(j, wrong, message)) return;
    if (!optimize(j, m, tm)) return;
    if (j->form == TARGET_LLVM) {
        j->text = LLVMPrintModuleToString(m);
        return;
    }
    message = NULL;
    LLVMCodeGenFileType type = j->form == TARGET_ASM ? LLVMAssemblyFile : LLVMObjectFile;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(tm, m, type, &message, &j->buffer);
    take_message(j, failed, failed ? message : NULL);
}

static void print_module(job *j, LLVMContextRef c, LLVMTargetMachineRef tm) {
    printer p = {.a = j->a, .context = c};
    p.module = LLVMModuleCreateWithNameInContext("frit", c);
    p.b = LLVMCreateBuilderInContext(c);
    LLVMSetTarget(p.module, j->spec->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(p.module, layout);
    LLVMDisposeTargetData(layout);
    j->print(&p, j->u);
    j->print_error = p.error;
    if (!p.error) finish(j, p.module, tm);
    LLVMDisposeBuilder(p.b);
    LLVMDisposeModule(p.module);
}

static void *run_job(void *u) {
    job *j = current = u;
    LLVMTargetMachineRef tm = new_machine(j);
    if (tm) {
        LLVMContextRef c = LLVMContextCreate();
        LLVMContextSetDiagnosticHandler(c, on_diagnostic, j);
        print_module(j, c, tm);
        LLVMContextDispose(c);
        LLVMDisposeTargetMachine(tm);
    }
    end_job(j, DONE);
    return NULL;
}

/* ------------ what the caller does */
static bool start(job *j, pthread_t *thread) {
    enum { STACK = 64 << 20 }; /* LLVM recurses over big blocks; untouched pages cost nothing */
    pthread_attr_t attr;
    if (pthread_attr_init(&attr)) return false;
    pthread_attr_setstacksize(&attr, STACK);
    bool ok = !pthread_create(thread, &attr, run_job, j);
    pthread_attr_destroy(&attr);
    return ok;
}

static job_state wait(job *j) {
    pthread_mutex_lock(&j->lock);
    while (j->state == RUNNING) pthread_cond_wait(&j->changed, &j->lock);
    job_state s = j->state;
    pthread_mutex_unlock(&j->lock);
    return s;
}

static void take_output(job *j, machine_output *out) {
    const char *bytes = j->text ? j->text : LLVMGetBufferStart(j->buffer);
    out->size = j->text ? strlen(j->text) : LLVMGetBufferSize(j->buffer);
    out->bytes = arena_alloc(j->a, out->size + 1);
    memcpy(out->bytes, bytes, out->size);
}

static void free_job(job *j) {
    if (j->text) LLVMDisposeMessage(j->text);
    if (j->buffer) LLVMDisposeMemoryBuffer(j->buffer);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

bool machine_run(arena *a, const machine_spec *spec, target_form form, void (*print)(printer *p, void *u), void *u,
                 machine_output *out, const char **error) {
    if (!initialize_once(error)) return false;
    job *j = calloc(1, sizeof *j);
    pthread_t thread;
    if (!j) {
        *error = "out of memory";
        return false;
    }
    *j = (job){.spec = spec, .form = form, .print = print, .u = u, .a = a};
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    if (!start(j, &thread)) {
        *error = "cannot start a thread for the code generator";
        free_job(j);
        return false;
    }
    if (wait(j) == FATAL) { /* the thread stays parked and keeps the job */
        pthread_detach(thread);
        *error = arena_printf(a, "internal error: LLVM gave up: %s", j->reason);
        return false;
    }
    pthread_join(thread, NULL);
    bool ok = !j->print_error && !j->reason[0];
    if (ok) take_output(j, out);
    else *error = j->print_error ? j->print_error : arena_printf(a, "internal error: LLVM: %s", j->reason);
    free_job(j);
    return ok;
}
