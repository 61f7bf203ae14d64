// A plug-in that needs a function which no library has.
extern "C" const char* easel_plugin_interface();
extern "C" const char* easel_test_function_that_is_nowhere();

extern "C" const char* easel_plugin_interface() { return easel_test_function_that_is_nowhere(); }
