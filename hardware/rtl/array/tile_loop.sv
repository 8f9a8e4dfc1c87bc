// The loops inside one tile: group, block, row group, column group (a pass), then channel, kernel row and kernel
// column, one multiply-accumulate step a cycle. A pass shorter than POY steps waits until the previous one has left
// the array, so a pass takes max(if_g * k_h * k_w, POY) cycles and passes follow each other without a gap.
module tile_loop #(
    parameter int POX = 4,  // output columns of a pass
    parameter int POY = 4,  // output rows of a pass
    parameter int POF = 4   // output channels of a pass
) (
    input  logic               clk,        // clock
    input  logic               rst,        // reset, synchronous
    input  layer_t             cfg,        // layer
    input  tile_t              tile,       // tile, stable while it runs
    input  logic               start,      // begin the tile
    output logic               running,    // a pass is under way (counted as compute cycles)
    output logic               step,       // the signals below are a step
    output logic               first,      // first step of a pass
    output logic               last,       // last step of a pass
    output logic               final_pass, // this pass is the tile's last
    output logic        [15:0] in_word,    // input buffer word of the window's first pixel
    output logic        [ 7:0] row_bank,   // its row bank
    output logic        [ 7:0] col_bank,   // its column bank
    output logic signed [17:0] y,          // its map row
    output logic signed [17:0] x,          // its map column
    output logic        [15:0] wt_word,    // weight buffer word
    output logic        [15:0] out_word,   // output buffer word of the pass's first row
    output logic        [15:0] rows,       // rows of the tile from this pass on
    output logic        [15:0] block       // block of output channels, counted over the layer
);
  localparam int AGE = POY > 1 ? POY - 1 : 0;
  logic [15:0] group, of_left, oxg, c, ky, kx;                     // loop counters
  logic [15:0] base_group, base_row, base_c, base_ky, ky_group;    // parts of in_word
  logic [15:0] kx_group, kx_word, wt_block;
  logic [15:0] out_block, out_row;                                 // parts of out_word
  logic [ 7:0] age;
  logic [ 2:0] ky_phase, kx_phase;
  logic signed [17:0] y_pass, x_pass;
  logic waiting, kx_end, ky_end, c_end, pass_end, oxg_end, row_end, of_end, group_end;

  assign kx_end    = kx == cfg.k_w - 16'd1;
  assign ky_end    = ky == cfg.k_h - 16'd1;
  assign c_end     = c == cfg.if_g - 16'd1;
  assign step      = running && !waiting;
  assign first     = kx == 0 && ky == 0 && c == 0;
  assign last      = kx_end && ky_end && c_end;
  assign pass_end  = running && (waiting || last) && age == 8'(AGE);
  assign oxg_end   = oxg == cfg.n_oxg - 16'd1;
  assign row_end   = rows <= 16'(POY);
  assign of_end    = of_left <= 16'(POF);
  assign group_end = group == tile.groups - 16'd1;
  assign final_pass = oxg_end && row_end && of_end && group_end;
  assign in_word   = base_group + base_row + base_c + base_ky + kx_word + oxg;
  assign out_word  = out_block + out_row + oxg;
  assign y         = y_pass + $signed({2'b0, ky});
  assign x         = x_pass + $signed({2'b0, kx});

  always_ff @(posedge clk) begin : control
    if (rst) running <= 1'b0;
    else if (start) running <= 1'b1;
    else if (pass_end && final_pass) running <= 1'b0;
    if (start || pass_end) age <= '0;
    else if (age != 8'(AGE)) age <= age + 8'd1;
    if (start || pass_end) waiting <= 1'b0;
    else if (step && last) waiting <= 1'b1;
  end

  always_ff @(posedge clk) begin : kernel_column
    if (start || (step && kx_end)) begin
      kx <= '0;
      kx_phase <= cfg.kx_phase;
      col_bank <= cfg.kx_bank;
      kx_group <= cfg.kx_group;
      kx_word <= cfg.kx_word;
    end else if (step) begin
      kx <= kx + 16'd1;
      if (kx_phase != cfg.s_w - 3'd1) begin
        kx_phase <= kx_phase + 3'd1;
        kx_word  <= kx_word + cfg.word_px;
      end else begin
        kx_phase <= '0;
        if (col_bank == 8'(POX - 1)) begin
          col_bank <= '0;
          kx_group <= kx_group + 16'd1;
          kx_word  <= kx_group + 16'd1;
        end else begin
          col_bank <= col_bank + 8'd1;
          kx_word  <= kx_group;
        end
      end
    end
  end

  always_ff @(posedge clk) begin : kernel_row
    if (start || (step && kx_end && ky_end)) begin
      ky <= '0;
      ky_phase <= '0;
      row_bank <= '0;
      ky_group <= '0;
      base_ky <= '0;
    end else if (step && kx_end) begin
      ky <= ky + 16'd1;
      if (ky_phase != cfg.s_h - 3'd1) begin
        ky_phase <= ky_phase + 3'd1;
        base_ky  <= base_ky + cfg.word_py;
      end else begin
        ky_phase <= '0;
        if (row_bank == 8'(POY - 1)) begin
          row_bank <= '0;
          ky_group <= ky_group + cfg.word_gy;
          base_ky  <= ky_group + cfg.word_gy;
        end else begin
          row_bank <= row_bank + 8'd1;
          base_ky  <= ky_group;
        end
      end
    end
  end

  always_ff @(posedge clk) begin : channel
    if (start || pass_end) begin
      c <= '0;
      base_c <= '0;
    end else if (step && kx_end && ky_end && !c_end) begin
      c <= c + 16'd1;
      base_c <= base_c + cfg.word_c;
    end
    if (start) begin
      wt_word  <= '0;
      wt_block <= '0;
    end else if (pass_end && oxg_end && row_end) begin
      wt_word  <= wt_block + cfg.k_words;
      wt_block <= wt_block + cfg.k_words;
    end else if (pass_end) wt_word <= wt_block;
    else if (step) wt_word <= wt_word + 16'd1;
  end

  always_ff @(posedge clk) begin : pixel_loops
    if (start || (pass_end && oxg_end)) begin
      oxg <= '0;
      x_pass <= -$signed({2'b0, cfg.pad_w});
    end else if (pass_end) begin
      oxg <= oxg + 16'd1;
      x_pass <= x_pass + $signed({2'b0, cfg.x_step});
    end
    if (start || (pass_end && oxg_end && row_end)) begin
      rows <= tile.rows;
      base_row <= '0;
      out_row <= '0;
      y_pass <= $signed({tile.y0[16], tile.y0});
    end else if (pass_end && oxg_end) begin
      rows <= rows - 16'(POY);
      base_row <= base_row + cfg.word_gy;
      out_row <= out_row + cfg.out_pass;
      y_pass <= y_pass + $signed({2'b0, cfg.y_step});
    end
  end

  always_ff @(posedge clk) begin : channel_loops
    if (start) begin
      group <= '0;
      of_left <= tile.of_n;
      base_group <= '0;
      out_block <= '0;
      block <= tile.block0;
    end else if (pass_end && oxg_end && row_end) begin
      out_block <= out_block + cfg.word_block;
      block <= block + 16'd1;
      of_left <= of_end ? tile.of_n : of_left - 16'(POF);
      if (of_end) begin
        group <= group + 16'd1;
        base_group <= base_group + cfg.word_group;
      end
    end
  end
endmodule
