// A library that is no plug-in.
extern "C" int stranger();

extern "C" int stranger() { return 0; }
