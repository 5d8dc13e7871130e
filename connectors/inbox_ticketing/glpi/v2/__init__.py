"""The high-level API of GLPI 11 (`api.php`), as its source has it; notes on it stand where they matter.

Read 2026-11-24 in glpi-project/glpi: `src/Glpi/Api/HL/` (Router@01e8e4e, Search and ITILController@e934661,
ResourceAccessor@0593fa0, RSQL/Parser@03804c5, RSQL/Lexer@0949fca, AdministrationController with API 2.2) and
`resources/api_doc.MD@1d7ff29`; ITILController with API 2.2 in a fork (SebSept/glpi@040aeb1). Not seen on a real GLPI.
"""
