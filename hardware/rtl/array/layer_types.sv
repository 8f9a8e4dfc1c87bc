// The description of one layer and of one tile, as the loops of the array need them. Compile this file first.
//
// Everything that would take a multiplication or a division in hardware (strides of the buffers, steps of the
// addresses) is computed once a layer by the driver and written here, so the only multipliers are the MACs.
// Words used below: q = coordinate divided by the stride, phase = coordinate modulo the stride, row bank = q modulo
// POY, column bank = q modulo POX, group = q divided by POY or POX, block = POF neighbouring output channels.

typedef struct packed {
  logic [15:0] in_w;           // input columns, without padding
  logic [15:0] in_h;           // input rows, without padding
  logic [15:0] out_w;          // output columns
  logic [15:0] out_h;          // output rows
  logic [15:0] k_w;            // kernel columns
  logic [15:0] k_h;            // kernel rows
  logic [ 2:0] s_w;            // stride along a row, 1 to 4
  logic [ 2:0] s_h;            // stride along a column, 1 to 4
  logic [15:0] pad_w;          // zero columns on the left
  logic [15:0] pad_h;          // zero rows on the top
  logic        grouped;        // 1: channel tiles are whole groups; 0: one group, tiles are output channels
  logic        rows_outer;     // 1: row tiles in the outer loop, weights read again; 0: channel tiles outer
  logic        relu;           // 1: negative results become zero
  logic [15:0] if_g;           // input channels of a group
  logic [15:0] of_g;           // output channels of a group
  logic [15:0] units;          // what channel tiles count: output channels, or groups if `grouped`
  logic [15:0] tile_units;     // units of a full tile
  logic [15:0] tile_blocks;    // blocks of a full tile
  logic [15:0] tile_oy;        // output rows of a full tile (Toy)
  logic [15:0] tile_iy;        // input rows from one row tile to the next: tile_oy * s_h
  logic [15:0] k_words;        // weight words of a block: if_g * k_h * k_w
  logic [15:0] n_oxg;          // column groups of the output: ceil(out_w / POX)
  logic [15:0] out_pass;       // output buffer words from one row group to the next: POY * n_oxg
  logic [15:0] x_step;         // input columns from one column group to the next: POX * s_w
  logic [15:0] y_step;         // input rows from one row group to the next: POY * s_h
  logic [15:0] word_px;        // input buffer words between column phases
  logic [15:0] word_gy;        // input buffer words between row groups
  logic [15:0] word_py;        // input buffer words between row phases
  logic [15:0] word_c;         // input buffer words between channels
  logic [15:0] word_group;     // input buffer words between groups: if_g * word_c
  logic [15:0] word_block;     // output buffer words between blocks: tile_oy * n_oxg
  logic [ 2:0] kx_phase;       // phase of the first kernel column, which lies at column -pad_w
  logic [ 7:0] kx_bank;        // its column bank
  logic [15:0] kx_group;       // its column group, two's complement
  logic [15:0] kx_word;        // its input buffer word, two's complement: kx_group + kx_phase * word_px
  logic [31:0] in_base;        // byte address of input row -pad_h of channel 0, two's complement
  logic [31:0] wt_base;        // byte address of the weights
  logic [31:0] out_base;       // byte address of the output map
  logic [31:0] in_row_bytes;   // bytes of an input row
  logic [31:0] in_ch_bytes;    // bytes of an input channel
  logic [31:0] in_tile_bytes;  // bytes from one row tile of the input to the next
  logic [31:0] in_unit_bytes;  // bytes from one channel tile of the input to the next; 0 unless `grouped`
  logic [31:0] out_row_bytes;  // bytes of an output row
  logic [31:0] out_ch_bytes;   // bytes of an output channel
  logic [31:0] out_tile_bytes; // bytes from one row tile of the output to the next
  logic [31:0] out_unit_bytes; // bytes from one channel tile of the output to the next
} layer_t;

typedef struct packed {
  logic        valid;          // 1: there is such a tile
  logic [16:0] y0;             // first input row, counted without padding, two's complement
  logic [15:0] rows;           // output rows
  logic [15:0] groups;         // groups of channels
  logic [15:0] of_n;           // output channels of each group
  logic [15:0] block0;         // its first block, counted over the layer
  logic [31:0] in_addr;        // byte address of its first input row (padding counted as rows)
  logic [31:0] out_addr;       // byte address of its first output row
  logic        load_pixels;    // 1: its pixels are not on the chip yet
  logic        load_weights;   // 1: its weights are not on the chip yet
  logic        rewind_weights; // 1: its weights are the layer's first
  logic        in_half;        // half of the input buffer
  logic        wt_half;        // half of the weight buffer
  logic        out_half;       // half of the output buffer
} tile_t;
