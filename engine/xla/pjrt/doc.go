// Package pjrt loads PJRT plugins, XLA's compilers and runtimes as shared libraries, and calls them: it compiles programs, moves
// numbers to devices and back, and runs. It is built with the tag xla and needs cgo, a C compiler and no other library.
//
// The interface is OpenXLA's C API (pjrt_c_api.h, its version 0.83; https://openxla.org/xla/pjrt). It was made to be compatible in both
// directions within a major version: every struct carries its size, and functions are only added at the end of the table. So a
// plugin's version is looked at before anything of it is called, and a plugin of another major version, or one too old to have what is
// called here, is refused.
package pjrt
