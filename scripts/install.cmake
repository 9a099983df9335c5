# `cmake --install`: programs, man pages, scenarios, schemas.
install(TARGETS sockbench-serve sockbench-load sockbench-talk sockbench-selftest sockbench
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES
    ${PROJECT_SOURCE_DIR}/servers/man/sockbench-serve.1
    ${PROJECT_SOURCE_DIR}/loadgen/man/sockbench-load.1
    ${PROJECT_SOURCE_DIR}/loadgen/man/sockbench-talk.1
    ${PROJECT_SOURCE_DIR}/loadgen/man/sockbench-selftest.1
    ${PROJECT_SOURCE_DIR}/bench/man/sockbench.1
    ${PROJECT_SOURCE_DIR}/bench/man/sockbench-find.1
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bench/scenarios/
    DESTINATION ${CMAKE_INSTALL_DATADIR}/sockbench/scenarios
    FILES_MATCHING PATTERN "*.json")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/results/schema/
    DESTINATION ${CMAKE_INSTALL_DATADIR}/sockbench/schema
    FILES_MATCHING PATTERN "*.json")
