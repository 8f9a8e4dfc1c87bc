// Weight-stationary systolic machine: buffers, skewed array, one accumulator a column, requantisation on the way out.
// The driver unrolls the convolution (im2col) into the pixel buffer; biases and shifts come with the read-out.
module systolic #(
    parameter int R = 4,            // rows: elements of the receptive field at once
    parameter int C = 4,            // columns: output channels at once
    parameter int DW = 8,           // bits of a pixel
    parameter int WW = 8,           // bits of a weight
    parameter int AW = 32,          // bits of a sum
    parameter int PX_DEPTH = 4096,  // words of the pixel buffer, a power of two
    parameter int WT_DEPTH = 1024,  // words of the weight buffer, a power of two
    parameter int SUM_DEPTH = 1024  // sums a column can hold, a power of two
) (
    input  logic                 clk,         // clock
    input  logic                 rst,         // reset, synchronous
    input  logic                 px_we,       // write a word of the pixel buffer
    input  logic [         15:0] px_wr_word,  // which
    input  logic [     R*DW-1:0] px_wr_data,  // field element of row r at [r*DW +: DW]
    input  logic                 wt_we,       // write a word of the weight buffer
    input  logic [         15:0] wt_wr_word,  // which
    input  logic [     C*WW-1:0] wt_wr_data,  // weight of column c at [c*WW +: WW]
    input  logic                 start,       // begin the layer
    input  logic [         15:0] n_pixels,    // output pixels
    input  logic [         15:0] k_folds,     // ceil(K / R)
    input  logic [         15:0] f_folds,     // ceil(F / C)
    output logic                 running,     // a fold is under way
    output logic                 done,        // high when the last total is in its place
    input  logic [         15:0] read_word,   // totals to read: channel fold * n_pixels + pixel
    input  logic [     C*AW-1:0] bias,        // bias of column c at [c*AW +: AW], one cycle after read_word
    input  logic [      C*6-1:0] shift,       // shift of column c at [c*6 +: 6], at the same time
    input  logic                 relu,        // negative results become zero
    output logic [     C*DW-1:0] results      // result of column c at [c*DW +: DW], three cycles after read_word
);
  localparam int SA = $clog2(SUM_DEPTH);
  localparam int TW = SA + 2;  // what travels with a pixel: valid, first, place
  logic load, load_q, stream, stream_q, first_fold;
  logic [15:0] wt_word, px_word, sum_word;
  logic [C*WW-1:0] weights;
  logic [R*DW-1:0] field, entering;
  logic [C*AW-1:0] sums, totals;
  logic [TW-1:0] tag_0;
  logic [R*TW-1:0] tag_down;  // the tag, delayed until the sums of column 0 are one cycle away
  logic [C*TW-1:0] tags;
  logic [R+C+1:0] in_flight;

  ws_control #(.R(R), .C(C)) control (
      .clk, .rst, .start, .n_pixels, .k_folds, .f_folds, .running, .load, .wt_word, .stream, .px_word,
      .first_fold, .sum_word
  );

  ram #(.W(C * WW), .DEPTH(WT_DEPTH)) weight_buffer (
      .clk, .we(wt_we), .wr_addr(wt_wr_word[$clog2(WT_DEPTH)-1:0]), .wr_data(wt_wr_data),
      .re(1'b1), .rd_addr(wt_word[$clog2(WT_DEPTH)-1:0]), .rd_data(weights)
  );

  ram #(.W(R * DW), .DEPTH(PX_DEPTH)) pixel_buffer (
      .clk, .we(px_we), .wr_addr(px_wr_word[$clog2(PX_DEPTH)-1:0]), .wr_data(px_wr_data),
      .re(1'b1), .rd_addr(px_word[$clog2(PX_DEPTH)-1:0]), .rd_data(field)
  );

  skew #(.N(R), .W(DW)) skew_rows (.clk, .aligned(stream_q ? field : '0), .skewed(entering));

  ws_array #(.R(R), .C(C), .DW(DW), .WW(WW), .AW(AW)) cells (
      .clk, .load(load_q), .weights, .pixels(entering), .sums
  );

  // A pixel enters row 0 one cycle after it was read; its sums leave column 0 after R more, column c after R + c.
  assign tag_0 = {stream && !rst, first_fold, sum_word[SA-1:0]};
  always_ff @(posedge clk) begin
    load_q    <= load;
    stream_q  <= stream;
    tag_down  <= rst ? '0 : (R * TW)'({tag_down, tag_0});
    in_flight <= {in_flight[R+C:0], running};
  end
  assign done = !running && in_flight == 0;

  skew #(.N(C), .W(TW)) skew_tags (.clk, .aligned({C{tag_down[(R-1)*TW+:TW]}}), .skewed(tags));

  for (genvar c = 0; c < C; c++) begin : g_column
    accumulator #(.AW(AW), .DEPTH(SUM_DEPTH)) acc (
        .clk,
        .en       (tags[c*TW+SA+1]),
        .first    (tags[c*TW+SA]),
        .word     (tags[c*TW+:SA]),
        .sum      (sums[c*AW+:AW]),
        .read_word(read_word[SA-1:0]),
        .total    (totals[c*AW+:AW])
    );
    requant #(.AW(AW), .DW(DW)) out (
        .clk,
        .sum   (totals[c*AW+:AW]),
        .bias  (bias[c*AW+:AW]),
        .shift (shift[c*6+:6]),
        .relu,
        .result(results[c*DW+:DW])
    );
  end
endmodule
