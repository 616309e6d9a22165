/* Snippets for builds: CMake and pkg-config. */
#include "export_internal.h"

void put_build_files(exporter *x, bool object) {
    text cmake = {.a = x->a}, pc = {.a = x->a};
    const char *more = object ? arena_printf(x->a, "\n  ${CMAKE_CURRENT_LIST_DIR}/%s_kernels.o", x->name) : "";
    put_template(&cmake, x,
                 "# include(path/to/@.cmake), then target_link_libraries(program PRIVATE @)\n"
                 "enable_language(C)\nadd_library(@ STATIC\n  ${CMAKE_CURRENT_LIST_DIR}/@.c");
    put(&cmake, "%s)\n", more);
    put_template(&cmake, x,
                 "target_include_directories(@ PUBLIC ${CMAKE_CURRENT_LIST_DIR})\n"
                 "set_target_properties(@ PROPERTIES C_STANDARD 99 POSITION_INDEPENDENT_CODE ON)\n"
                 "if(CMAKE_C_COMPILER_ID MATCHES \"GNU|Clang\")\n"
                 "  target_compile_options(@ PRIVATE -ffp-contract=off $<$<C_COMPILER_ID:GNU>:-Wno-psabi>)\nendif()\n");
    if (x->gpu)
        put_template(&cmake, x, "target_link_libraries(@ PUBLIC ${CMAKE_DL_LIBS})\n");
    else if (!object)
        put_template(&cmake, x, "if(UNIX)\n  target_link_libraries(@ PUBLIC m)\nendif()\n");
    put_template(
        &pc, x,
        "# Describes lib@.a, made in this folder by\n#   cc -O2 -ffp-contract=off -fPIC -c @.c && ar rcs lib@.a @.o");
    if (object) put_template(&pc, x, " @_kernels.o");
    put_template(&pc, x, "\nprefix=${pcfiledir}\n\nName: @\nDescription: ");
    put(&pc, "The model %s compiled for %s\n", rt_string(x->p, x->p->info->entry), rt_string(x->p, x->v->target));
    put_template(&pc, x, "Version: 1\nCflags: -I${prefix}\nLibs: -L${prefix} -l@");
    put(&pc, "%s\n", object ? "" : x->gpu ? " -ldl" : " -lm");
    export_add(x, arena_printf(x->a, "%s.cmake", x->name), text_of(&cmake), cmake.len);
    export_add(x, arena_printf(x->a, "%s.pc", x->name), text_of(&pc), pc.len);
}
