// Buffers, array and requantisers, driven by the loops of one tile: everything between the two memory ports.
//
// Pipeline of a step: loop counters | address register | bank read | router | multiply-accumulate | capture | leave |
// requantise (2) | output buffer.
module compute_core #(
    parameter int POX = 4,          // output columns computed at once
    parameter int POY = 4,          // output rows computed at once
    parameter int POF = 4,          // output channels computed at once
    parameter int DW = 8,           // bits of a pixel
    parameter int WW = 8,           // bits of a weight
    parameter int AW = 32,          // bits of a sum
    parameter int IN_DEPTH = 1024,  // words of an input bank in one half
    parameter int WT_DEPTH = 1024,  // words of the weight buffer in one half
    parameter int OUT_DEPTH = 256,  // words of an output bank in one half
    parameter int PAR_DEPTH = 64    // blocks of biases and shifts
) (
    input  logic              clk,           // clock
    input  logic              rst,           // reset, synchronous
    input  layer_t            cfg,           // layer
    input  tile_t             tile,          // tile to compute, stable until `done`
    input  logic              start,         // compute it
    output logic              running,       // passes are under way
    output logic              done,          // its last result is written in this cycle
    input  logic              par_we,        // bias and shift: write one channel
    input  logic [      15:0] par_block,     // its block
    input  logic [       7:0] par_lane,      // its place in the block
    input  logic [    AW-1:0] par_bias,      // its bias
    input  logic [       5:0] par_shift,     // its shift
    input  logic              in_we,         // input buffer: write POX pixels
    input  logic              in_wr_half,    // half
    input  logic [       7:0] in_wr_bank,    // row bank
    input  logic [      15:0] in_wr_word,    // word
    input  logic [POX*DW-1:0] in_wr_data,    // the pixels
    input  logic              wt_we,         // weight buffer: write POF weights
    input  logic              wt_wr_half,    // half
    input  logic [      15:0] wt_wr_word,    // word
    input  logic [POF*WW-1:0] wt_wr_data,    // the weights
    input  logic              out_re,        // output buffer: read a word
    input  logic              out_rd_half,   // half
    input  logic [      15:0] out_rd_word,   // word
    input  logic [       7:0] out_rd_bank,   // bank (channel of the block)
    output logic [POX*DW-1:0] out_rd_data    // POX results of one channel, one cycle later
);
  localparam int WT_A = $clog2(WT_DEPTH);

  // Step of the loops, and the same step later; the digit is the pipeline stage.
  logic step0, first0, last0, final0, step1, first1, last1, final1, step2, first2, last2, final2;
  logic step3, first3, last3, final3, capture, final4;
  logic [15:0] in_word0, wt_word0, out_word0, rows0, block0, in_word1, wt_word1;
  logic [47:0] leave1, leave2, leave3, leave4;  // out_word, rows, block: wanted when the pass leaves
  logic [7:0] row_bank0, col_bank0, row_bank1, col_bank1, row_bank2, col_bank2;
  logic signed [17:0] y0, x0, y1, x1, y2, x2;

  tile_loop #(.POX(POX), .POY(POY), .POF(POF)) loops (
      .clk, .rst, .cfg, .tile, .start, .running,
      .step(step0), .first(first0), .last(last0), .final_pass(final0),
      .in_word(in_word0), .row_bank(row_bank0), .col_bank(col_bank0), .y(y0), .x(x0),
      .wt_word(wt_word0), .out_word(out_word0), .rows(rows0), .block(block0)
  );

  always_ff @(posedge clk) begin : pipeline
    {step1, first1, last1, final1} <= {step0 && !rst, first0, last0, final0};
    {step2, first2, last2, final2} <= {step1 && !rst, first1, last1, final1};
    {step3, first3, last3, final3} <= {step2 && !rst, first2, last2, final2};
    {capture, final4} <= {step3 && last3 && !rst, final3};
    {in_word1, wt_word1} <= {in_word0, wt_word0};
    {row_bank1, col_bank1, y1, x1} <= {row_bank0, col_bank0, y0, x0};
    {row_bank2, col_bank2, y2, x2} <= {row_bank1, col_bank1, y1, x1};
    leave1 <= {out_word0, rows0, block0};
    leave2 <= leave1;
    leave3 <= leave2;
    leave4 <= leave3;
  end

  logic [POY*POX*DW-1:0] banks, pixels;
  input_buffer #(.POX(POX), .POY(POY), .DW(DW), .DEPTH(IN_DEPTH)) pixel_banks (
      .clk,
      .we(in_we), .wr_half(in_wr_half), .wr_bank(in_wr_bank), .wr_word(in_wr_word), .wr_data(in_wr_data),
      .rd_half(tile.in_half), .rd_word(in_word1), .word_gy(cfg.word_gy),
      .row_bank(row_bank1), .col_bank(col_bank1), .rd_data(banks)
  );
  pixel_router #(.POX(POX), .POY(POY), .DW(DW)) router (
      .clk, .row_bank(row_bank2), .col_bank(col_bank2), .y(y2), .x(x2),
      .s_h(cfg.s_h), .s_w(cfg.s_w), .in_h(cfg.in_h), .in_w(cfg.in_w), .banks, .pixels
  );

  logic [POF*WW-1:0] weights2, weights3;
  ram #(.W(POF * WW), .DEPTH(2 * WT_DEPTH)) weight_buffer (
      .clk,
      .we(wt_we), .wr_addr({wt_wr_half, wt_wr_word[WT_A-1:0]}), .wr_data(wt_wr_data),
      .re(1'b1), .rd_addr({tile.wt_half, wt_word1[WT_A-1:0]}), .rd_data(weights2)
  );
  always_ff @(posedge clk) weights3 <= weights2;

  logic leaving;  // rows of sums are leaving the array
  logic [POX*POF*AW-1:0] row;
  pe_array #(.POX(POX), .POY(POY), .POF(POF), .DW(DW), .WW(WW), .AW(AW)) cells (
      .clk, .en(step3), .first(first3), .capture, .shift(leaving), .pixels, .weights(weights3), .row
  );

  logic [POF*AW-1:0] biases;
  logic [POF*6-1:0] shifts;
  channel_parameters #(.POF(POF), .AW(AW), .DEPTH(PAR_DEPTH)) parameters (
      .clk, .we(par_we), .wr_block(par_block), .wr_lane(par_lane), .wr_bias(par_bias), .wr_shift(par_shift),
      .re(capture), .rd_block(leave4[15:0]), .biases, .shifts
  );

  logic [POX*POF*DW-1:0] results;
  for (genvar j = 0; j < POX; j++) begin : g_column
    for (genvar f = 0; f < POF; f++) begin : g_channel
      requant #(.AW(AW), .DW(DW)) scale (
          .clk, .sum(row[(j*POF+f)*AW+:AW]), .bias(biases[f*AW+:AW]), .shift(shifts[f*6+:6]),
          .relu(cfg.relu), .result(results[(j*POF+f)*DW+:DW])
      );
    end
  end

  logic out_we;
  logic [15:0] out_wr_word;
  drain #(.POY(POY)) leave (
      .clk, .rst, .capture, .final_pass(final4), .out_word(leave4[47:32]), .rows(leave4[31:16]),
      .n_oxg(cfg.n_oxg), .leaving, .we(out_we), .wr_word(out_wr_word), .done
  );
  output_buffer #(.POX(POX), .POF(POF), .DW(DW), .DEPTH(OUT_DEPTH)) result_banks (
      .clk, .we(out_we), .wr_half(tile.out_half), .wr_word(out_wr_word), .wr_data(results),
      .re(out_re), .rd_half(out_rd_half), .rd_word(out_rd_word), .rd_bank(out_rd_bank), .rd_data(out_rd_data)
  );
endmodule
