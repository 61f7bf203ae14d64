# cmake -DSOURCE=... -DFOLDER=... -P configure.cmake: what EASEL_ONEDNN does, with a build folder that is only set up.
set(without -DCMAKE_DISABLE_FIND_PACKAGE_dnnl=ON)  # as if it were not installed

function(configure expected_status expected_text)
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${FOLDER} -G Ninja -DEASEL_CUDA=OFF ${ARGN}
                  RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  string(REGEX REPLACE "[ \n]+" " " out "${out}")
  string(FIND "${out}" "${expected_text}" found)
  if(status EQUAL expected_status AND NOT found EQUAL -1)
    return()
  endif()
  message(FATAL_ERROR "${ARGN}: expected status ${expected_status} and '${expected_text}', found ${status} and: ${out}")
endfunction()

function(expect_no_onednn)
  file(READ ${FOLDER}/build.ninja build)
  if(build MATCHES "libdnnl|/onednn\\.cpp" OR NOT build MATCHES "/without_onednn\\.cpp")
    message(FATAL_ERROR "${ARGN}: the build still uses oneDNN")
  endif()
endfunction()

configure(0 "Generating done" -DEASEL_ONEDNN=OFF -DCMAKE_DISABLE_FIND_PACKAGE_dnnl=OFF)
expect_no_onednn(-DEASEL_ONEDNN=OFF)
configure(0 "--precision bf16 will be f32" -DEASEL_ONEDNN=AUTO ${without})
expect_no_onednn(-DEASEL_ONEDNN=AUTO)
configure(1 "EASEL_ONEDNN is ON, but oneDNN was not found" -DEASEL_ONEDNN=ON ${without})
