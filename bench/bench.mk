# weir-bench: what happens inside one measured cell, and the campaign that runs cells.

include bench/cell.mk
-include bench/campaign.mk
include bench/programs.mk
