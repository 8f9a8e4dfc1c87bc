// One multiply-accumulate cell. The sum stays where it is until the pass ends (output stationary); then it is copied
// to a second register, from which the sums of a column leave one after the other while the next pass runs.
module mac #(
    parameter int DW = 8,   // bits of a pixel
    parameter int WW = 8,   // bits of a weight
    parameter int AW = 32   // bits of the sum
) (
    input  logic                 clk,      // clock
    input  logic                 en,       // add this cycle
    input  logic                 first,    // start a new sum with this product
    input  logic                 capture,  // copy the sum to the leaving register
    input  logic                 shift,    // else take the neighbour's leaving sum
    input  logic signed [DW-1:0] pixel,    // pixel
    input  logic signed [WW-1:0] weight,   // weight
    input  logic        [AW-1:0] below,    // leaving sum of the neighbour
    output logic        [AW-1:0] leaving   // leaving sum of this cell
);
  logic signed [DW+WW-1:0] product;
  logic signed [AW-1:0] sum;
  assign product = pixel * weight;

  always_ff @(posedge clk) begin
    if (en) sum <= (first ? AW'(0) : sum) + AW'(product);
    if (capture) leaving <= sum;
    else if (shift) leaving <= below;
  end
endmodule
