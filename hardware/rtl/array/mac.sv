// One multiply-accumulate cell; the sum stays where it is until the pass ends (output stationary).
module mac #(
    parameter int DW = 8,   // bits of a pixel
    parameter int WW = 8,   // bits of a weight
    parameter int AW = 32   // bits of the sum
) (
    input  logic                 clk,     // clock
    input  logic                 en,      // add this cycle
    input  logic                 first,   // start a new sum with this product
    input  logic signed [DW-1:0] pixel,   // pixel
    input  logic signed [WW-1:0] weight,  // weight
    output logic signed [AW-1:0] sum      // the sum so far
);
  logic signed [DW+WW-1:0] product;
  assign product = pixel * weight;

  always_ff @(posedge clk) begin
    if (en) sum <= (first ? AW'(0) : sum) + product;
  end
endmodule
