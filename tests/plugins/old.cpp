// A plug-in that was built for another easel.
extern "C" const char* easel_plugin_interface();
extern "C" const void* easel_plugin();

extern "C" const char* easel_plugin_interface() { return "0-of-long-ago"; }
extern "C" const void* easel_plugin() { return nullptr; }
