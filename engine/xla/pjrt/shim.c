//go:build xla

#include "shim.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// ARGS declares the arguments of a function, zero but for their size.
#define ARGS(type, name)  \
  type##_Args name = {0}; \
  name.struct_size = type##_Args_STRUCT_SIZE

const PJRT_Api* joule_open(const char* path, char** why) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    *why = strdup(dlerror());
    return NULL;
  }
  const PJRT_Api* (*get)(void) = (const PJRT_Api* (*)(void))dlsym(library, "GetPjrtApi");
  const PJRT_Api* api = get ? get() : NULL;
  if (!api) {
    *why = strdup(get ? "it has no PJRT interface to give" : "it has no function GetPjrtApi: it is no PJRT plugin");
    dlclose(library);
  }
  return api;
}

PJRT_Error* joule_initialize(const PJRT_Api* api) {
  ARGS(PJRT_Plugin_Initialize, a);
  return api->PJRT_Plugin_Initialize(&a);
}

int joule_error(const PJRT_Api* api, PJRT_Error* error, char** message, size_t* size) {
  ARGS(PJRT_Error_Message, m);
  m.error = error;
  api->PJRT_Error_Message(&m);
  *size = m.message_size;
  *message = malloc(m.message_size + 1);
  memcpy(*message, m.message, m.message_size);
  ARGS(PJRT_Error_GetCode, c);
  c.error = error;
  PJRT_Error* failed = api->PJRT_Error_GetCode(&c);
  ARGS(PJRT_Error_Destroy, d);
  if (failed) {
    d.error = failed;
    api->PJRT_Error_Destroy(&d);
  }
  d.error = error;
  api->PJRT_Error_Destroy(&d);
  return c.code;
}

PJRT_Error* joule_client(const PJRT_Api* api, const char** names, const int64_t* values, size_t options, PJRT_Client** client) {
  PJRT_NamedValue* named = calloc(options + 1, sizeof *named);
  for (size_t i = 0; i < options; i++) {
    named[i].struct_size = PJRT_NamedValue_STRUCT_SIZE;
    named[i].name = names[i];
    named[i].name_size = strlen(names[i]);
    named[i].type = PJRT_NamedValue_kInt64;
    named[i].int64_value = values[i];
    named[i].value_size = 1;
  }
  ARGS(PJRT_Client_Create, a);
  a.create_options = named;
  a.num_options = options;
  PJRT_Error* error = api->PJRT_Client_Create(&a);
  free(named);
  *client = a.client;
  return error;
}

PJRT_Error* joule_platform(const PJRT_Api* api, PJRT_Client* client, const char** name, size_t* name_size, const char** version, size_t* version_size) {
  ARGS(PJRT_Client_PlatformName, n);
  n.client = client;
  PJRT_Error* error = api->PJRT_Client_PlatformName(&n);
  if (error) return error;
  *name = n.platform_name;
  *name_size = n.platform_name_size;
  ARGS(PJRT_Client_PlatformVersion, v);
  v.client = client;
  error = api->PJRT_Client_PlatformVersion(&v);
  *version = v.platform_version;
  *version_size = v.platform_version_size;
  return error;
}

PJRT_Error* joule_devices(const PJRT_Api* api, PJRT_Client* client, PJRT_Device* const** devices, size_t* count) {
  ARGS(PJRT_Client_AddressableDevices, a);
  a.client = client;
  PJRT_Error* error = api->PJRT_Client_AddressableDevices(&a);
  *devices = a.addressable_devices;
  *count = a.num_addressable_devices;
  return error;
}

PJRT_Error* joule_device_kind(const PJRT_Api* api, PJRT_Device* device, const char** kind, size_t* size) {
  ARGS(PJRT_Device_GetDescription, d);
  d.device = device;
  PJRT_Error* error = api->PJRT_Device_GetDescription(&d);
  if (error) return error;
  ARGS(PJRT_DeviceDescription_Kind, k);
  k.device_description = d.device_description;
  error = api->PJRT_DeviceDescription_Kind(&k);
  *kind = k.device_kind;
  *size = k.device_kind_size;
  return error;
}

PJRT_Error* joule_device_memory(const PJRT_Api* api, PJRT_Device* device, int64_t* used, int64_t* limit) {
  *used = *limit = -1;
  ARGS(PJRT_Device_MemoryStats, a);
  a.device = device;
  PJRT_Error* error = api->PJRT_Device_MemoryStats(&a);
  if (error) return error;
  *used = a.bytes_in_use;
  if (a.bytes_limit_is_set) *limit = a.bytes_limit;
  return NULL;
}

PJRT_Error* joule_compile(const PJRT_Api* api, PJRT_Client* client, const char* text, size_t text_size, const char* options, size_t options_size,
                          PJRT_LoadedExecutable** executable) {
  PJRT_Program program = {0};
  program.struct_size = PJRT_Program_STRUCT_SIZE;
  program.code = (char*)text;
  program.code_size = text_size;
  program.format = "mlir";
  program.format_size = 4;
  ARGS(PJRT_Client_Compile, a);
  a.client = client;
  a.program = &program;
  a.compile_options = options;
  a.compile_options_size = options_size;
  PJRT_Error* error = api->PJRT_Client_Compile(&a);
  *executable = a.executable;
  return error;
}

// executable_of gives the compiled program without its devices, to be destroyed with destroy_executable_of.
static PJRT_Error* executable_of(const PJRT_Api* api, PJRT_LoadedExecutable* loaded, PJRT_Executable** executable) {
  ARGS(PJRT_LoadedExecutable_GetExecutable, a);
  a.loaded_executable = loaded;
  PJRT_Error* error = api->PJRT_LoadedExecutable_GetExecutable(&a);
  *executable = a.executable;
  return error;
}

static void ignore(const PJRT_Api* api, PJRT_Error* error) {
  ARGS(PJRT_Error_Destroy, d);
  d.error = error;
  if (error) api->PJRT_Error_Destroy(&d);
}

static void destroy_executable_of(const PJRT_Api* api, PJRT_Executable* executable) {
  ARGS(PJRT_Executable_Destroy, a);
  a.executable = executable;
  ignore(api, api->PJRT_Executable_Destroy(&a));
}

PJRT_Error* joule_outputs(const PJRT_Api* api, PJRT_LoadedExecutable* loaded, size_t* count) {
  PJRT_Executable* executable;
  PJRT_Error* error = executable_of(api, loaded, &executable);
  if (error) return error;
  ARGS(PJRT_Executable_NumOutputs, a);
  a.executable = executable;
  error = api->PJRT_Executable_NumOutputs(&a);
  *count = a.num_outputs;
  destroy_executable_of(api, executable);
  return error;
}

PJRT_Error* joule_serialize(const PJRT_Api* api, PJRT_LoadedExecutable* loaded, char** bytes, size_t* size) {
  PJRT_Executable* executable;
  PJRT_Error* error = executable_of(api, loaded, &executable);
  if (error) return error;
  ARGS(PJRT_Executable_Serialize, a);
  a.executable = executable;
  error = api->PJRT_Executable_Serialize(&a);
  if (!error) {
    *size = a.serialized_bytes_size;
    *bytes = malloc(*size + 1);
    memcpy(*bytes, a.serialized_bytes, *size);
    a.serialized_executable_deleter(a.serialized_executable);
  }
  destroy_executable_of(api, executable);
  return error;
}

PJRT_Error* joule_deserialize(const PJRT_Api* api, PJRT_Client* client, const char* bytes, size_t size, PJRT_LoadedExecutable** executable) {
  ARGS(PJRT_Executable_DeserializeAndLoad, a);
  a.client = client;
  a.serialized_executable = bytes;
  a.serialized_executable_size = size;
  PJRT_Error* error = api->PJRT_Executable_DeserializeAndLoad(&a);
  *executable = a.loaded_executable;
  return error;
}

PJRT_Error* joule_destroy_executable(const PJRT_Api* api, PJRT_LoadedExecutable* executable) {
  ARGS(PJRT_LoadedExecutable_Destroy, a);
  a.executable = executable;
  return api->PJRT_LoadedExecutable_Destroy(&a);
}

// await waits for an event and destroys it.
static PJRT_Error* await(const PJRT_Api* api, PJRT_Event* event) {
  if (!event) return NULL;
  ARGS(PJRT_Event_Await, a);
  a.event = event;
  PJRT_Error* error = api->PJRT_Event_Await(&a);
  ARGS(PJRT_Event_Destroy, d);
  d.event = event;
  ignore(api, api->PJRT_Event_Destroy(&d));
  return error;
}

PJRT_Error* joule_run(const PJRT_Api* api, PJRT_LoadedExecutable* executable, size_t devices, PJRT_Buffer** args, size_t arg_count,
                      const int64_t* kept, size_t kept_count, PJRT_Buffer** results, size_t result_count) {
  PJRT_Buffer* const** arg_lists = calloc(devices, sizeof *arg_lists);
  PJRT_Buffer*** result_lists = calloc(devices, sizeof *result_lists);
  PJRT_Event** done = calloc(devices, sizeof *done);
  for (size_t d = 0; d < devices; d++) {
    arg_lists[d] = args + d * arg_count;
    result_lists[d] = results + d * result_count;
  }
  PJRT_ExecuteOptions options = {0};
  options.struct_size = PJRT_ExecuteOptions_STRUCT_SIZE;
  options.non_donatable_input_indices = kept;
  options.num_non_donatable_input_indices = kept_count;
  ARGS(PJRT_LoadedExecutable_Execute, a);
  a.executable = executable;
  a.options = &options;
  a.argument_lists = arg_lists;
  a.num_devices = devices;
  a.num_args = arg_count;
  a.output_lists = result_lists;
  a.device_complete_events = done;
  PJRT_Error* error = api->PJRT_LoadedExecutable_Execute(&a);
  if (!error) {
    for (size_t d = 0; d < devices; d++) { // all of them, even if one fails; the first error is told
      PJRT_Error* failed = await(api, done[d]);
      if (error) {
        ignore(api, failed);
      } else {
        error = failed;
      }
    }
  }
  free(arg_lists);
  free(result_lists);
  free(done);
  return error;
}

PJRT_Error* joule_upload(const PJRT_Api* api, PJRT_Client* client, PJRT_Device* device, const char* data, int type, const int64_t* dims,
                         size_t rank, PJRT_Buffer** buffer) {
  ARGS(PJRT_Client_BufferFromHostBuffer, a);
  a.client = client;
  a.device = device;
  a.data = data;
  a.type = type;
  a.dims = dims;
  a.num_dims = rank;
  a.host_buffer_semantics = PJRT_HostBufferSemantics_kImmutableOnlyDuringCall;
  PJRT_Error* error = api->PJRT_Client_BufferFromHostBuffer(&a);
  if (error) return error;
  *buffer = a.buffer;
  return await(api, a.done_with_host_buffer);
}

PJRT_Error* joule_download(const PJRT_Api* api, PJRT_Buffer* buffer, char* data, size_t size) {
  ARGS(PJRT_Buffer_ToHostBuffer, a);
  a.src = buffer;
  a.dst = data;
  a.dst_size = size;
  PJRT_Error* error = api->PJRT_Buffer_ToHostBuffer(&a);
  if (error) return error;
  return await(api, a.event);
}

PJRT_Error* joule_destroy_buffer(const PJRT_Api* api, PJRT_Buffer* buffer) {
  ARGS(PJRT_Buffer_Destroy, a);
  a.buffer = buffer;
  return api->PJRT_Buffer_Destroy(&a);
}
