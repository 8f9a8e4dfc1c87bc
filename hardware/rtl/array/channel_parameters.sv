// Bias and shift of every output channel, written before the layer starts, read a block of POF channels at a time.
// Small and shallow: meant for logic-cell memory, not for block RAM.
module channel_parameters #(
    parameter int POF = 4,    // channels of a block
    parameter int AW = 32,    // bits of a bias
    parameter int DEPTH = 64  // blocks
) (
    input  logic              clk,       // clock
    input  logic              we,        // write one channel this cycle
    input  logic [      15:0] wr_block,  // its block
    input  logic [       7:0] wr_lane,   // its place in the block
    input  logic [    AW-1:0] wr_bias,   // its bias
    input  logic [       5:0] wr_shift,  // its shift
    input  logic              re,        // read this cycle; else the outputs keep their values
    input  logic [      15:0] rd_block,  // block to read
    output logic [POF*AW-1:0] biases,    // bias of channel f at [f*AW +: AW], one cycle later
    output logic [ POF*6-1:0] shifts     // shift of channel f at [f*6 +: 6], one cycle later
);
  localparam int A = DEPTH > 1 ? $clog2(DEPTH) : 1;
  for (genvar f = 0; f < POF; f++) begin : g_channel
    (* ram_style = "distributed" *) logic [AW+5:0] words[DEPTH];
    logic [AW+5:0] read;
    always_ff @(posedge clk) begin
      if (we && wr_lane == 8'(f)) words[wr_block[A-1:0]] <= {wr_bias, wr_shift};
      if (re) read <= words[rd_block[A-1:0]];
    end
    assign {biases[f*AW+:AW], shifts[f*6+:6]} = read;
  end
endmodule
