// Walks over the pixels that a tile reads: group, channel, input row, POX pixels at a time. Rows outside the map
// are skipped, a cycle each. The loader holds two: one asks the memory, one receives what it answers.
module row_walker #(
    parameter int POX = 4,   // pixels of a beat
    parameter int POY = 4,   // row banks
    parameter int BYTES = 1  // bytes of a pixel
) (
    input  logic        clk,      // clock
    input  logic        rst,      // reset, synchronous
    input  layer_t      cfg,      // layer
    input  tile_t       tile,     // tile, stable while walking
    input  logic        start,    // begin
    input  logic        advance,  // go on to the next beat (only with `valid`)
    output logic        active,   // not at the end yet
    output logic        valid,    // the signals below are a beat
    output logic [31:0] addr,     // byte address of the beat
    output logic [ 7:0] n,        // pixels in it, at most POX
    output logic        row_end,  // last beat of its row
    output logic [ 7:0] bank,     // row bank of the row
    output logic [15:0] word      // input buffer word of the row's first pixel
);
  logic [15:0] group, c, x_left, rows_left, tile_rows;
  logic [16:0] y;
  logic [31:0] ch_addr, row_addr;
  logic [15:0] ch_word, group_word, phase_word;
  logic [ 2:0] phase;
  logic in_map, row_done, rows_end, c_end, group_end;

  // (rows - 1) * s_h + k_h, the product written out because the stride is at most 4.
  always_comb begin
    tile_rows = tile.rows - 16'd1;
    case (cfg.s_h)
      3'd2: tile_rows = tile_rows << 1;
      3'd3: tile_rows = tile_rows + (tile_rows << 1);
      3'd4: tile_rows = tile_rows << 2;
      default: ;
    endcase
    tile_rows = tile_rows + cfg.k_h;
  end

  assign in_map    = !y[16] && y[15:0] < cfg.in_h;
  assign valid     = active && in_map;
  assign row_end   = x_left <= 16'(POX);
  assign n         = row_end ? x_left[7:0] : 8'(POX);
  assign row_done  = active && (!in_map || (advance && row_end));
  assign rows_end  = rows_left == 16'd1;
  assign c_end     = c == cfg.if_g - 16'd1;
  assign group_end = group == tile.groups - 16'd1;
  assign word      = ch_word + group_word + phase_word;

  always_ff @(posedge clk) begin : position
    if (rst) active <= 1'b0;
    else if (start) active <= 1'b1;
    else if (row_done && rows_end && c_end && group_end) active <= 1'b0;
    if (start || row_done) x_left <= cfg.in_w;
    else if (advance) x_left <= x_left - 16'(POX);
    if (start || (row_done && rows_end)) begin
      y <= tile.y0;
      rows_left <= tile_rows;
    end else if (row_done) begin
      y <= y + 17'd1;
      rows_left <= rows_left - 16'd1;
    end
    if (start || (row_done && rows_end && c_end)) c <= '0;
    else if (row_done && rows_end) c <= c + 16'd1;
    if (start) group <= '0;
    else if (row_done && rows_end && c_end) group <= group + 16'd1;
  end

  always_ff @(posedge clk) begin : address
    if (start) begin
      {ch_addr, row_addr, addr} <= {3{tile.in_addr}};
      ch_word <= '0;
    end else if (row_done && rows_end) begin
      ch_addr <= ch_addr + cfg.in_ch_bytes;
      row_addr <= ch_addr + cfg.in_ch_bytes;
      addr <= ch_addr + cfg.in_ch_bytes;
      ch_word <= ch_word + cfg.word_c;
    end else if (row_done) begin
      row_addr <= row_addr + cfg.in_row_bytes;
      addr <= row_addr + cfg.in_row_bytes;
    end else if (advance) addr <= addr + POX * BYTES;
  end

  always_ff @(posedge clk) begin : place
    if (start || (row_done && rows_end)) begin
      phase <= '0;
      bank <= '0;
      phase_word <= '0;
      group_word <= '0;
    end else if (row_done) begin
      if (phase != cfg.s_h - 3'd1) begin
        phase <= phase + 3'd1;
        phase_word <= phase_word + cfg.word_py;
      end else begin
        phase <= '0;
        phase_word <= '0;
        bank <= bank == 8'(POY - 1) ? 8'd0 : bank + 8'd1;
        if (bank == 8'(POY - 1)) group_word <= group_word + cfg.word_gy;
      end
    end
  end
endmodule
