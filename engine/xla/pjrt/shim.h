// What Go cannot do itself: call through PJRT's table of functions. Each function fills in the arguments of one entry of the table, calls
// it and hands over what it gives. A result other than NULL is an error, to be read with joule_error and destroyed by it.

#include "pjrt_c_api.h"

// joule_open loads a shared library and asks it for its table of functions; NULL if that fails, with the reason in *why, to be freed.
const PJRT_Api* joule_open(const char* path, char** why);

PJRT_Error* joule_initialize(const PJRT_Api* api);

// joule_error copies what an error says to *message, of *size bytes, to be freed, and destroys the error. The result is its code.
int joule_error(const PJRT_Api* api, PJRT_Error* error, char** message, size_t* size);

// joule_client starts the plugin on its devices. Options are whole numbers by name.
PJRT_Error* joule_client(const PJRT_Api* api, const char** names, const int64_t* values, size_t options, PJRT_Client** client);
PJRT_Error* joule_platform(const PJRT_Api* api, PJRT_Client* client, const char** name, size_t* name_size, const char** version, size_t* version_size);
PJRT_Error* joule_devices(const PJRT_Api* api, PJRT_Client* client, PJRT_Device* const** devices, size_t* count);
PJRT_Error* joule_device_kind(const PJRT_Api* api, PJRT_Device* device, const char** kind, size_t* size);

// joule_device_memory tells how many bytes are in use and how many there may be, -1 for what the device does not say.
PJRT_Error* joule_device_memory(const PJRT_Api* api, PJRT_Device* device, int64_t* used, int64_t* limit);

PJRT_Error* joule_compile(const PJRT_Api* api, PJRT_Client* client, const char* text, size_t text_size, const char* options, size_t options_size,
                          PJRT_LoadedExecutable** executable);
PJRT_Error* joule_outputs(const PJRT_Api* api, PJRT_LoadedExecutable* executable, size_t* count);

// joule_serialize copies a compiled program to *bytes, to be freed.
PJRT_Error* joule_serialize(const PJRT_Api* api, PJRT_LoadedExecutable* executable, char** bytes, size_t* size);
PJRT_Error* joule_deserialize(const PJRT_Api* api, PJRT_Client* client, const char* bytes, size_t size, PJRT_LoadedExecutable** executable);
PJRT_Error* joule_destroy_executable(const PJRT_Api* api, PJRT_LoadedExecutable* executable);

// joule_run runs a program on its devices and waits for all of them. args holds those of the first device, then those of the second,
// and so on; results likewise. Arguments not listed in kept may be overwritten, if the program was compiled to do so.
PJRT_Error* joule_run(const PJRT_Api* api, PJRT_LoadedExecutable* executable, size_t devices, PJRT_Buffer** args, size_t arg_count,
                      const int64_t* kept, size_t kept_count, PJRT_Buffer** results, size_t result_count);

// joule_upload copies numbers to a device; the memory at data is free again when it returns.
PJRT_Error* joule_upload(const PJRT_Api* api, PJRT_Client* client, PJRT_Device* device, const char* data, int type, const int64_t* dims,
                         size_t rank, PJRT_Buffer** buffer);

// joule_download copies a buffer's numbers to size bytes at data.
PJRT_Error* joule_download(const PJRT_Api* api, PJRT_Buffer* buffer, char* data, size_t size);
PJRT_Error* joule_destroy_buffer(const PJRT_Api* api, PJRT_Buffer* buffer);
